"""A captioner of one's own, on grpcio and the generated contract alone: put your model where `describe` is.

python examples/own_captioner/captioner.py 127.0.0.1:50051
python examples/own_captioner/check.py 127.0.0.1:50051          # asks it for all that a gateway counts on
"""

from __future__ import annotations

import asyncio
import sys
from collections.abc import AsyncIterator, Sequence
from typing import Any

import grpc

from vidtomusictags.captioner.v1 import captioner_pb2 as pb
from vidtomusictags.captioner.v1 import captioner_pb2_grpc
from vidtomusictags.media.v1.media_pb2 import FRAME_ENCODING_JPEG, Frame

MODEL = pb.GetModelResponse(
    engine="own",
    model="forest-1",
    revision="1",
    description="Sees a forest in everything.",
    encodings=[FRAME_ENCODING_JPEG],  # how frames are wanted, the best first
    frame_short_side=224,
    default_frames=8,
    max_frames=32,
    max_frame_bytes=1 << 20,
    max_concurrent_clips=4,
)


def describe(frames: Sequence[Frame]) -> str:
    """What the clip shows. frames: JPEG in `data`, seconds in `pts`. Blocks."""
    return f"A quiet forest, seen for {frames[-1].pts.ToSeconds()} seconds."


class OwnCaptioner(captioner_pb2_grpc.CaptionerServiceServicer):
    """One summary of each stream; `window` and text piece by piece are left out, as a gateway asks for neither."""

    async def GetModel(self, request: pb.GetModelRequest, context: Any) -> pb.GetModelResponse:
        return MODEL

    async def CaptionClip(self, request: pb.CaptionClipRequest, context: Any) -> pb.CaptionClipResponse:
        if request.validate_only:  # the gateway asks before it decodes; abort with INVALID_ARGUMENT what you cannot do
            return pb.CaptionClipResponse(request_id=request.config.request_id)
        summary = await self._summary(request.frames)
        return pb.CaptionClipResponse(request_id=request.config.request_id, summary=summary)

    async def Caption(self, requests: AsyncIterator[pb.CaptionRequest], context: Any) -> AsyncIterator[Any]:
        config = (await anext(aiter(requests))).config
        accepted = pb.CaptionAccepted(request_id=config.request_id, model=MODEL.model, max_frames=MODEL.max_frames)
        yield pb.CaptionResponse(sequence=1, accepted=accepted)  # the caller waits for this
        frames: list[Frame] = []
        async for request in requests:
            frames += request.frames.frames
            if request.HasField("end_of_input"):
                if len(frames) != request.end_of_input.frame_count or not frames:
                    await context.abort(grpc.StatusCode.INVALID_ARGUMENT, "Not all frames came, or there are none.")
                break
        else:  # a stream that was cut looks like one that ended; only `end_of_input` says that all is there
            await context.abort(grpc.StatusCode.INVALID_ARGUMENT, "The input ended without end_of_input.")
        yield pb.CaptionResponse(sequence=2, summary=await self._summary(frames))
        yield pb.CaptionResponse(sequence=3, completed=pb.CaptionCompleted(frame_count=len(frames), summaries=1))

    async def _summary(self, frames: Sequence[Frame]) -> pb.Summary:
        text = await asyncio.to_thread(describe, frames)  # a model must not hold up the event loop
        return pb.Summary(text=text, provenance=pb.CaptionProvenance(engine="own", model=MODEL.model))


async def serve(address: str) -> None:
    options = [
        ("grpc.max_connection_age_ms", 300_000),  # so that gateways find new replicas
        ("grpc.http2.min_ping_interval_without_data_ms", 4_000),  # gateways ping a captioner that is silent for 5 s
    ]
    server = grpc.aio.server(options=options)
    captioner_pb2_grpc.add_CaptionerServiceServicer_to_server(OwnCaptioner(), server)
    port = server.add_insecure_port(address)
    await server.start()
    print(f"listening on port {port}", flush=True)
    await server.wait_for_termination()


if __name__ == "__main__":
    asyncio.run(serve(*sys.argv[1:]))

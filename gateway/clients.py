"""Calls the captioner and the classifier by their contracts."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from typing import cast

import grpc

from gateway.order import Description, ModelFacts, Order, Tags
from gateway.upstream import for_caller, translating
from gateway.video.plan import Encoding
from gateway.video.sampled import SampledClip
from vidtomusictags.captioner.v1 import captioner_pb2, captioner_pb2_grpc
from vidtomusictags.classifier.v1 import classifier_pb2, classifier_pb2_grpc
from vidtomusictags.media.v1 import media_pb2
from vidtomusictags.rpc.channels import stream_channel, unary_channel
from vidtomusictags.rpc.deadlines import downstream_seconds
from vidtomusictags.rpc.durations import to_duration
from vidtomusictags.rpc.failures import UpstreamBroken
from vidtomusictags.rpc.proof import NOTHING, Proof
from vidtomusictags.rpc.status import from_status

CAPTIONER = captioner_pb2.DESCRIPTOR.services_by_name["CaptionerService"].full_name
CLASSIFIER = classifier_pb2.DESCRIPTOR.services_by_name["ClassifierService"].full_name

_TO_ENCODING = {
    media_pb2.FRAME_ENCODING_JPEG: Encoding.JPEG,
    media_pb2.FRAME_ENCODING_RGB24: Encoding.RGB24,
    media_pb2.FRAME_ENCODING_PNG: Encoding.PNG,
}
_ENCODINGS = {encoding: message for message, encoding in _TO_ENCODING.items()}
_MODEL_SECONDS = 10.0
"""Deadline of GetModel, and how long its answer is taken for true."""
_BATCH_BYTES = 1024 * 1024
"""Frames that travel together; one that is larger travels alone."""

_CaptionCall = grpc.aio.StreamStreamCall[captioner_pb2.CaptionRequest, captioner_pb2.CaptionResponse]


class CaptionerClient:
    """The captioners behind one target. `caption_seconds`: longest a caption may take. proof: what they are shown."""

    def __init__(self, target: str, *, caption_seconds: float, proof: Proof = NOTHING) -> None:
        self._streams = stream_channel(target, CAPTIONER, proof)
        self._unary = unary_channel(target, CAPTIONER, proof)
        self._caption_seconds = caption_seconds
        self._facts: ModelFacts | None = None
        self._facts_until = 0.0

    async def close(self) -> None:
        """Closes the channels; running calls are cancelled."""
        await self._streams.close()
        await self._unary.close()

    async def model(self) -> ModelFacts:
        """What is served, at most ten seconds old. Raises a Failure for the gateway's caller."""
        if self._facts is None or time.monotonic() > self._facts_until:
            stub = captioner_pb2_grpc.CaptionerServiceStub(self._unary)
            with translating("captioner"):
                reply = await stub.GetModel(captioner_pb2.GetModelRequest(), timeout=downstream_seconds(_MODEL_SECONDS))
            self._facts = _facts(reply)
            self._facts_until = time.monotonic() + _MODEL_SECONDS
        return self._facts

    async def check(self, order: Order) -> None:
        """Raises what `caption` would raise for the order's prompt and options, before any costly work is done."""
        asked = cast("captioner_pb2.CaptionConfig", order.caption)
        if not asked.ByteSize():
            return  # all is left to the captioner
        config = captioner_pb2.CaptionConfig(request_id=order.request_id, encoding=media_pb2.FRAME_ENCODING_JPEG)
        config.MergeFrom(asked)
        stub = captioner_pb2_grpc.CaptionerServiceStub(self._unary)
        with translating("captioner"):
            await stub.CaptionClip(
                captioner_pb2.CaptionClipRequest(config=config, validate_only=True),
                timeout=downstream_seconds(_MODEL_SECONDS),
            )

    async def caption(self, clip: SampledClip, order: Order, on_text: Callable[[object], None]) -> Description:
        """One summary of all frames. on_text: given each TextDelta as it comes. Raises as `model` does."""
        config = cast("captioner_pb2.CaptionConfig", order.caption)
        request = captioner_pb2.CaptionConfig(
            request_id=order.request_id,
            encoding=_ENCODINGS[clip.encoding],
            frame_size=media_pb2.FrameSize(width=clip.width, height=clip.height),
            text_deltas=order.text_deltas,
        )
        request.MergeFrom(config)
        call = captioner_pb2_grpc.CaptionerServiceStub(self._streams).Caption(
            timeout=downstream_seconds(self._caption_seconds)
        )
        try:
            with translating("captioner"):
                await call.write(captioner_pb2.CaptionRequest(config=request))
                await self._read(call)  # accepted, or the reason why not
                for batch in _batches(clip):
                    await call.write(captioner_pb2.CaptionRequest(frames=batch))
                end = captioner_pb2.EndOfInput(frame_count=len(clip.frames))
                await call.write(captioner_pb2.CaptionRequest(end_of_input=end))
                await call.done_writing()
                summary: captioner_pb2.Summary | None = None
                while (reply := await self._read(call)).WhichOneof("event") != "completed":
                    if reply.HasField("text_delta"):
                        on_text(reply.text_delta)
                    elif reply.HasField("summary"):
                        summary = reply.summary
                await _hear_out(call)
        finally:
            call.cancel()  # a call that is dropped is never collected (grpc/grpc#43462)
        if summary is None:
            raise UpstreamBroken("The captioner completed without a summary; tell its operator.")
        return Description(summary)

    async def _read(self, call: _CaptionCall) -> captioner_pb2.CaptionResponse:
        reply = await call.read()
        if not isinstance(reply, captioner_pb2.CaptionResponse):  # EOF: the stream ended with OK
            raise UpstreamBroken("The captioner ended its answer early; tell its operator.")
        if reply.HasField("error"):
            with suppress(grpc.RpcError):  # the same failure again, as the status
                await call.done_writing()
                await _hear_out(call)
            raise for_caller(from_status(reply.error), "captioner")
        return reply


class ClassifierClient:
    """The classifiers behind one target. `classify_seconds`: longest one may take. proof: what they are shown."""

    def __init__(self, target: str, *, classify_seconds: float, proof: Proof = NOTHING) -> None:
        self._channel = unary_channel(target, CLASSIFIER, proof)
        self._stub = classifier_pb2_grpc.ClassifierServiceStub(self._channel)
        self._classify_seconds = classify_seconds

    async def close(self) -> None:
        """Closes the channel; running calls are cancelled."""
        await self._channel.close()

    async def check(self, order: Order) -> None:
        """Raises what `classify` would raise for the order's taxonomy and options, before any costly work is done."""
        await self._call(order, classifier_pb2.ClassifyRequest(validate_only=True))

    async def classify(self, description: Description, order: Order) -> Tags:
        """The tags of a description. Raises a Failure for the gateway's caller."""
        summary = cast("captioner_pb2.Summary", description.message)
        request = classifier_pb2.ClassifyRequest(summary=summary.text, statements=summary.statements)
        return Tags((await self._call(order, request)).classification)

    async def _call(self, order: Order, request: classifier_pb2.ClassifyRequest) -> classifier_pb2.ClassifyResponse:
        request.MergeFrom(cast("classifier_pb2.ClassifyRequest", order.classify))
        request.request_id = order.request_id
        with translating("classifier"):
            return await self._stub.Classify(request, timeout=downstream_seconds(self._classify_seconds))


async def _hear_out(call: _CaptionCall) -> None:
    """Waits for the status, so that the captioner's log does not show a call as cancelled that had ended."""
    while isinstance(await call.read(), captioner_pb2.CaptionResponse):
        pass


def _facts(reply: captioner_pb2.GetModelResponse) -> ModelFacts:
    encodings = [_TO_ENCODING[encoding] for encoding in reply.encodings if encoding in _TO_ENCODING]
    if not encodings or reply.max_frames < 1:
        raise UpstreamBroken("The captioner does not say which frames it takes; tell its operator.")
    return ModelFacts(
        model=reply.model,
        encodings=encodings,
        frame_short_side_pixels=reply.frame_short_side,
        default_frames=reply.default_frames or reply.max_frames,
        max_frames=reply.max_frames,
    )


def _batches(clip: SampledClip) -> Iterator[captioner_pb2.FrameBatch]:
    batch, size = captioner_pb2.FrameBatch(), 0
    for sampled, data in zip(clip.manifest.frames, clip.frames, strict=True):
        if batch.frames and size + len(data) > _BATCH_BYTES:
            yield batch
            batch, size = captioner_pb2.FrameBatch(), 0
        batch.frames.add(index=sampled.index, pts=to_duration(sampled.time_seconds), data=data)
        size += len(data)
    yield batch

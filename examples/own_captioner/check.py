"""Asks a captioner of one's own for all that a gateway counts on, and says what it does not do.

python examples/own_captioner/check.py 127.0.0.1:50051          # --no-pings leaves out the last check, of 20 seconds

Exit code 0: all is well; 1: something is not, and the last lines say what. On grpcio and the generated contract alone.
"""

from __future__ import annotations

import argparse
import asyncio
import base64
import struct
import sys
import zlib
from collections.abc import Awaitable, Callable
from typing import Any

import grpc
from google.protobuf.duration_pb2 import Duration

from vidtomusictags.captioner.v1 import captioner_pb2 as pb
from vidtomusictags.captioner.v1.captioner_pb2_grpc import CaptionerServiceStub
from vidtomusictags.media.v1 import media_pb2 as media

SIDE = 16  # pixels of the picture, which is one shade of green
JPEG = base64.b64decode(
    "/9j/4AAQSkZJRgABAQAAAQABAAD/2wBDABsSFBcUERsXFhceHBsgKEIrKCUlKFE6PTBCYFVlZF9VXVtqeJmBanGQc1tdhbWGkJ6jq62rZ4C8ybqm"
    "x5moq6T/2wBDARweHigjKE4rK06kbl1upKSkpKSkpKSkpKSkpKSkpKSkpKSkpKSkpKSkpKSkpKSkpKSkpKSkpKSkpKSkpKSkpKSkpKT/wAARCAAQ"
    "ABADASIAAhEBAxEB/8QAFQABAQAAAAAAAAAAAAAAAAAAAAT/xAAUEAEAAAAAAAAAAAAAAAAAAAAA/8QAFQEBAQAAAAAAAAAAAAAAAAAAAgP/xAAU"
    "EQEAAAAAAAAAAAAAAAAAAAAA/9oADAMBAAIRAxEAPwCQAEX/2Q=="
)
RAW = bytes((60, 110, 70)) * SIDE * SIDE
# GATEWAY_ANSWER_SECONDS and GATEWAY_CAPTION_SECONDS as they are by default.
ANSWER_SECONDS, DESCRIBE_SECONDS = 5.0, 300.0
PING_SECONDS, PINGS = 5, 4  # GATEWAY_KEEPALIVE_SECONDS; gRPC's own limit ends a connection at the third ping or so


def _png() -> bytes:
    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    rows = b"".join(b"\0" + RAW[row * SIDE * 3 : (row + 1) * SIDE * 3] for row in range(SIDE))
    header = struct.pack(">IIBBBBB", SIDE, SIDE, 8, 2, 0, 0, 0)
    signature = b"\x89PNG\r\n\x1a\n"
    return signature + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b"")


PICTURES = {media.FRAME_ENCODING_JPEG: JPEG, media.FRAME_ENCODING_RGB24: RAW, media.FRAME_ENCODING_PNG: _png()}


class Missing(Exception):
    """What a captioner does not do."""


def _need(holds: object, otherwise: str) -> None:
    if not holds:
        raise Missing(otherwise)


class Asking:
    """The calls of a gateway, to one captioner."""

    def __init__(self, channel: grpc.aio.Channel, model: pb.GetModelResponse) -> None:
        self._channel = channel
        self.stub = CaptionerServiceStub(channel)  # type: ignore[no-untyped-call]
        self.model = model

    def config(self) -> pb.CaptionConfig:
        encoding = self.model.encodings[0]
        size = media.FrameSize(width=SIDE, height=SIDE) if encoding == media.FRAME_ENCODING_RGB24 else None
        return pb.CaptionConfig(request_id="check", encoding=encoding, frame_size=size)

    def frames(self, count: int) -> list[media.Frame]:
        picture = PICTURES[self.model.encodings[0]]
        return [media.Frame(index=index, pts=Duration(seconds=index), data=picture) for index in range(count)]

    async def begin(self) -> Any:
        """A call of Caption that has been taken on."""
        call = self.stub.Caption(timeout=DESCRIBE_SECONDS)
        await call.write(pb.CaptionRequest(config=self.config()))
        async with asyncio.timeout(ANSWER_SECONDS):
            first = await call.read()
        if first is grpc.aio.EOF:
            raise Missing(f"Caption ended before `accepted`: {await _status(call)}")
        _need(first.HasField("accepted"), f"Caption sends `{first.WhichOneof('event')}` first, and not `accepted`")
        _need(first.accepted.request_id == "check", "`accepted` has another request_id than the config")
        _need(first.sequence == 1, "`sequence` does not begin with 1")
        return call

    async def send(self, call: Any, frames: list[media.Frame], said: int | None) -> list[pb.CaptionResponse]:
        """Sends the frames, `end_of_input` for `said` of them (None: not at all), and returns what is answered."""
        answers = []
        try:
            if frames:
                await call.write(pb.CaptionRequest(frames=pb.FrameBatch(frames=frames)))
            if said is not None:
                await call.write(pb.CaptionRequest(end_of_input=pb.EndOfInput(frame_count=said)))
            await call.done_writing()
            while (answer := await call.read()) is not grpc.aio.EOF:
                answers.append(answer)
        except (grpc.aio.AioRpcError, asyncio.InvalidStateError):
            pass  # the call has ended; its status is looked at by whoever expects one
        return answers

    async def described(self, frames: int) -> list[pb.CaptionResponse]:
        """The answers to one whole clip."""
        call = await self.begin()
        answers = await self.send(call, self.frames(frames), frames)
        if await call.code() is not grpc.StatusCode.OK:
            raise Missing(f"a clip of {frames} frames is refused: {await _status(call)}")
        return answers

    async def refuses(self, frames: int, said: int | None) -> None:
        call = await self.begin()
        answers = await self.send(call, self.frames(frames), said)
        kinds = {answer.WhichOneof("event") for answer in answers}
        _need("summary" not in kinds, "it was described all the same")
        _need(await call.code() is not grpc.StatusCode.OK, "it ended with OK")


async def _status(call: Any) -> str:
    return f"{(await call.code()).name} {await call.details()}"


async def says_which_frames_it_wants(asking: Asking) -> None:
    """GetModel says which frames are wanted, and how many."""
    model = asking.model
    _need(model.model, "`model` is empty")
    _need(model.frame_short_side > 0, "`frame_short_side` is 0")
    _need(0 < model.default_frames <= model.max_frames, "`default_frames` must be from 1 to `max_frames`")
    _need(model.max_frame_bytes >= len(PICTURES[model.encodings[0]]), "`max_frame_bytes` leaves no room for a frame")


async def looks_at_a_config_alone(asking: Asking) -> None:
    """CaptionClip with `validate_only` takes a config without frames, and describes nothing."""
    request = pb.CaptionClipRequest(config=asking.config(), validate_only=True)
    response = await asking.stub.CaptionClip(request, timeout=ANSWER_SECONDS)
    _need(not response.HasField("summary"), "it has a summary")


async def describes_a_clip(asking: Asking) -> None:
    """Caption answers frames with one summary and `completed`, in an unbroken sequence."""
    count = asking.model.default_frames
    answers = await asking.described(count)
    _need([answer.sequence for answer in answers] == list(range(2, len(answers) + 2)), "`sequence` has gaps")
    [*others, last] = [answer.WhichOneof("event") for answer in answers] or [None]
    _need(last == "completed", f"the last event is `{last}`, and not `completed`")
    _need(others.count("summary") == 1, f"there are {others.count('summary')} summaries")
    summary = next(answer.summary for answer in answers if answer.HasField("summary"))
    _need(summary.text.strip(), "the summary's text is empty")
    _need(summary.provenance.model, "the summary's provenance names no model")
    _need(answers[-1].completed.frame_count == count, "`completed.frame_count` is not what was sent")


async def describes_the_longest_clip(asking: Asking) -> None:
    """A clip of GetModel's `max_frames` is described."""
    await asking.described(min(asking.model.max_frames, 64))  # a message's most


async def refuses_a_stream_that_was_cut(asking: Asking) -> None:
    """Frames without `end_of_input` are refused: the rest was lost."""
    await asking.refuses(2, None)


async def counts_frames(asking: Asking) -> None:
    """`end_of_input` with another number of frames than came is refused: some were lost."""
    await asking.refuses(2, 3)


async def describes_no_frames_as_little(asking: Asking) -> None:
    """A clip without any frame is refused."""
    await asking.refuses(0, 0)


async def goes_on_after_a_caller_left(asking: Asking) -> None:
    """A caller that leaves in the middle takes nothing along: the next clips are described."""
    for _ in range(asking.model.max_concurrent_clips + 1):
        call = await asking.begin()
        call.cancel()
    await asking.described(1)


async def bears_pings(asking: Asking) -> None:
    """A gateway's pings of a silent captioner do not end the connection."""
    call = await asking.begin()
    await asyncio.sleep(PING_SECONDS * PINGS)
    answers = await asking.send(call, asking.frames(1), 1)
    if not answers:
        raise Missing(f"{await _status(call)}; allow pings, or set GATEWAY_KEEPALIVE_SECONDS=300")


CHECKS: tuple[Callable[[Asking], Awaitable[None]], ...] = (
    says_which_frames_it_wants,
    looks_at_a_config_alone,
    describes_a_clip,
    describes_the_longest_clip,
    refuses_a_stream_that_was_cut,
    counts_frames,
    describes_no_frames_as_little,
    goes_on_after_a_caller_left,
)


async def faults_of(target: str, checks: tuple[Callable[[Asking], Awaitable[None]], ...] = CHECKS) -> list[str]:
    """What the captioner does not do, one line each. target: a gRPC target, called in plaintext."""
    options = [("grpc.keepalive_time_ms", PING_SECONDS * 1000), ("grpc.http2.max_pings_without_data", 0)]
    faults = []
    async with grpc.aio.insecure_channel(target, options=options) as channel:
        stub = CaptionerServiceStub(channel)  # type: ignore[no-untyped-call]
        try:
            model = await stub.GetModel(pb.GetModelRequest(), timeout=ANSWER_SECONDS)
        except grpc.aio.AioRpcError as error:
            return [f"GetModel fails: {error.code().name} {error.details()}"]
        if not set(model.encodings) & PICTURES.keys() or model.encodings[0] not in PICTURES:
            return ["GetModel's first encoding is none of JPEG, RGB24 and PNG"]
        for check in checks:
            try:
                await check(Asking(channel, model))
            except Missing as missing:
                faults.append(f"{check.__doc__} But: {missing}.")
            except TimeoutError:
                faults.append(f"{check.__doc__} But: no answer within {ANSWER_SECONDS:g} s.")
            except grpc.aio.AioRpcError as error:
                faults.append(f"{check.__doc__} But: {error.code().name} {error.details()}")
    return faults


def main() -> None:
    """The command."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n", 1)[0])
    parser.add_argument("target")
    parser.add_argument("--no-pings", action="store_true", help="leave out the check that takes 20 seconds")
    chosen = parser.parse_args()
    faults = asyncio.run(faults_of(chosen.target, CHECKS if chosen.no_pings else (*CHECKS, bears_pings)))
    print("\n".join(faults) or "A gateway can work with this captioner.")
    sys.exit(bool(faults))


if __name__ == "__main__":
    main()

"""What is loaded: each service with engines that cost nothing, and the whole with the embedded ones."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from io import BytesIO
from itertools import cycle
from pathlib import Path
from tempfile import TemporaryDirectory

import av
import grpc
from load_generator import Ask, Refused
from load_processes import Served, serving

from vidtomusictags.captioner.v1 import captioner_pb2
from vidtomusictags.classifier.v1 import classifier_pb2
from vidtomusictags.gateway.v1 import gateway_pb2
from vidtomusictags.media.v1 import media_pb2
from vidtomusictags.rpc.durations import to_duration

FILM = Path(__file__).parents[1] / "examples" / "big-buck-bunny.mp4"
SUMMARY = (
    "A large rabbit leaves its burrow on a bright morning, stretches in the meadow and smells a flower while a "
    "butterfly passes. The colours are warm, the camera is calm and the mood is gentle and playful."
)
_CONNECTIONS = 4
GENERATOR_CORE, SERVER_CORE = 0, 1


@dataclass(frozen=True)
class Target:
    """What is asked, and the processes behind it."""

    ask: Ask
    processes: list[Served]


@dataclass(frozen=True)
class Scenario:
    """callers: how many at once find the capacity. deadline: seconds that a call has. pinned: whether server and
    generator have a core each, so that neither takes from the other."""

    name: str
    running: Callable[[], AbstractAsyncContextManager[Target]]
    callers: int
    deadline: float
    pinned: bool
    seconds_factor: float = 1.0


@asynccontextmanager
async def captioner() -> AsyncIterator[Target]:
    """The captioner with the instant engine; calls as the gateway makes them: a stream of 8 JPEG frames."""
    async with AsyncExitStack() as stack:
        served = await stack.enter_async_context(serving("captioner", {"engine": "instant"}, cores=[SERVER_CORE]))
        channels = [await stack.enter_async_context(_channel(served)) for _ in range(_CONNECTIONS)]
        method = "/vidtomusictags.captioner.v1.CaptionerService/Caption"
        calls = cycle([channel.stream_stream(method) for channel in channels])
        config, frames, end = await asyncio.to_thread(_caption_messages)

        async def ask(seconds: float) -> None:
            call = next(calls)(timeout=seconds)
            try:
                await call.write(config)
                _checked(await call.read())
                await call.write(frames)
                await call.write(end)
                await call.done_writing()
                while (reply := await call.read()) is not grpc.aio.EOF:
                    _checked(reply)
            except (grpc.aio.InternalError, asyncio.InvalidStateError):  # it had ended; reading tells how
                await call.read()
                raise
            finally:
                call.cancel()

        yield Target(ask, [served])


def _checked(reply: object) -> None:
    if reply is grpc.aio.EOF:
        raise AssertionError("the stream ended before it was accepted")
    message = captioner_pb2.CaptionResponse.FromString(reply)
    if message.HasField("error"):
        raise Refused(message.error)


def classifying(engine: str) -> Callable[[], AbstractAsyncContextManager[Target]]:
    """The classifier with an engine of `load_instant_classifier`; summaries of two sentences."""

    @asynccontextmanager
    async def running() -> AsyncIterator[Target]:
        async with AsyncExitStack() as stack:
            served = await stack.enter_async_context(serving("classifier", {"engine": engine}, cores=[SERVER_CORE]))
            channels = [await stack.enter_async_context(_channel(served)) for _ in range(_CONNECTIONS)]
            method = "/vidtomusictags.classifier.v1.ClassifierService/Classify"
            calls = cycle([channel.unary_unary(method) for channel in channels])
            request = classifier_pb2.ClassifyRequest(summary=SUMMARY).SerializeToString()

            async def ask(seconds: float) -> None:
                await next(calls)(request, timeout=seconds)

            yield Target(ask, [served])

    return running


def tagging(engine: str) -> Callable[[], AbstractAsyncContextManager[Target]]:
    """All three services, their engines of that kind; calls of TagVideo with the example clip."""

    @asynccontextmanager
    async def running() -> AsyncIterator[Target]:
        async with AsyncExitStack() as stack:
            described = await stack.enter_async_context(serving("captioner", {"engine": engine}))
            classified = await stack.enter_async_context(serving("classifier", {"engine": engine}))
            clips, spool = (stack.enter_context(TemporaryDirectory()) for _ in range(2))
            clip = await asyncio.to_thread(small_clip, Path(clips) / "clip.mp4")
            settings = {
                "captioner": described.address,
                "classifier": classified.address,
                "roots": f'["{clips}"]',
                "spool_directory": spool,
            }
            gateway = await stack.enter_async_context(serving("gateway", settings))
            channels = [await stack.enter_async_context(_channel(gateway)) for _ in range(_CONNECTIONS)]
            method = "/vidtomusictags.gateway.v1.TaggingService/TagVideo"
            calls = cycle([channel.unary_stream(method) for channel in channels])
            request = gateway_pb2.TagVideoRequest(uri=f"file://{clip}").SerializeToString()

            async def ask(seconds: float) -> None:
                call = next(calls)(request, timeout=seconds)
                try:
                    async for reply in call:
                        event = gateway_pb2.TagVideoResponse.FromString(reply).event
                        if event.HasField("error"):
                            raise Refused(event.error)
                finally:
                    call.cancel()

            yield Target(ask, [gateway, described, classified])

    return running


SCENARIOS = {
    scenario.name: scenario
    for scenario in (
        Scenario("captioner", captioner, callers=16, deadline=2.0, pinned=True),
        Scenario("classifier", classifying("instant"), callers=16, deadline=2.0, pinned=True),
        Scenario("provider", classifying("waiting"), callers=64, deadline=5.0, pinned=True),
        Scenario("gateway", tagging("instant"), callers=8, deadline=5.0, pinned=False),
        Scenario("whole", tagging("embedded"), callers=8, deadline=10.0, pinned=False, seconds_factor=2.0),
    )
}


def _channel(served: Served) -> grpc.aio.Channel:
    """One connection of its own, without retries and without balancing."""
    options = [("grpc.use_local_subchannel_pool", 1), ("grpc.enable_retries", 0)]
    return grpc.aio.insecure_channel(served.address, options=options)


def small_clip(path: Path) -> Path:
    """The example film at 480 x 270: what a library's previews look like, and more of them a second."""
    with av.open(str(FILM)) as film, av.open(str(path), "w") as clip:
        stream = clip.add_stream("libx264", rate=25, options={"preset": "veryfast", "threads": "1"})
        stream.width, stream.height, stream.pix_fmt = 480, 270, "yuv420p"
        for frame in film.decode(video=0):
            clip.mux(stream.encode(frame.reformat(480, 270, "yuv420p")))
        clip.mux(stream.encode(None))
    return path


def _caption_messages() -> tuple[bytes, bytes, bytes]:
    """The stream of one clip, serialised once: config, eight frames of 336 pixels' height, and the end."""
    frames = []
    with av.open(str(FILM)) as container:
        for index, frame in enumerate(container.decode(video=0)):
            if index % 16 == 0 and len(frames) < 8:
                picture = frame.to_image(height=336, width=598)
                data = BytesIO()
                picture.save(data, "JPEG", quality=90)
                frames.append(media_pb2.Frame(index=index, pts=to_duration(index / 25), data=data.getvalue()))
    config = captioner_pb2.CaptionConfig(
        encoding=media_pb2.FRAME_ENCODING_JPEG, frame_size=media_pb2.FrameSize(width=598, height=336)
    )
    messages = (
        captioner_pb2.CaptionRequest(config=config),
        captioner_pb2.CaptionRequest(frames=captioner_pb2.FrameBatch(frames=frames)),
        captioner_pb2.CaptionRequest(end_of_input=captioner_pb2.EndOfInput(frame_count=len(frames))),
    )
    config_bytes, frame_bytes, end_bytes = (message.SerializeToString() for message in messages)
    return config_bytes, frame_bytes, end_bytes

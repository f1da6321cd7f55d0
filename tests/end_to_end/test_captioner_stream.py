"""The captioner's two ways of describing frames, over the wire, with an engine that says what it was given."""

from __future__ import annotations

import asyncio
import io
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass, field
from typing import Any

import grpc
import numpy as np
import pytest
from google.protobuf.duration_pb2 import Duration
from log_lines import LogLines
from PIL import Image
from scripted_engine import ENGINE, SCRIPT, Script

from captioner_service.app import running
from captioner_service.engines import ENGINES
from captioner_service.settings import CaptionerSettings
from vidtomusictags.captioner.v1 import captioner_pb2 as pb
from vidtomusictags.captioner.v1 import captioner_pb2_grpc
from vidtomusictags.media.v1 import media_pb2
from vidtomusictags.rpc.durations import to_duration, to_seconds
from vidtomusictags.rpc.failures import Failure, QueueFull
from vidtomusictags.rpc.status import from_rpc_error, from_status

JPEG, RGB24, PNG = (
    media_pb2.FRAME_ENCODING_JPEG,
    media_pb2.FRAME_ENCODING_RGB24,
    media_pb2.FRAME_ENCODING_PNG,
)
METHOD = "/vidtomusictags.captioner.v1.CaptionerService/Caption"


def picture(level: int, width: int = 16, height: int = 8) -> bytes:
    file = io.BytesIO()
    Image.fromarray(np.full((height, width, 3), level, np.uint8)).save(file, "JPEG")
    return file.getvalue()


def still(index: int, data: bytes | None = None, pts: float | None = None) -> media_pb2.Frame:
    seconds = index / 10 if pts is None else pts
    return media_pb2.Frame(index=index, pts=to_duration(seconds), data=picture(100) if data is None else data)


def batch(*frames: media_pb2.Frame) -> pb.CaptionRequest:
    return pb.CaptionRequest(frames=pb.FrameBatch(frames=frames))


def config(**fields: Any) -> pb.CaptionRequest:
    return pb.CaptionRequest(config=pb.CaptionConfig(**{"encoding": JPEG} | fields))


def end(count: int) -> pb.CaptionRequest:
    return pb.CaptionRequest(end_of_input=pb.EndOfInput(frame_count=count))


@dataclass
class Heard:
    """What the captioner said, and how the call ended."""

    replies: list[pb.CaptionResponse] = field(default_factory=list)
    status: Failure | None = None

    @property
    def kinds(self) -> list[str]:
        return [str(reply.WhichOneof("event")) for reply in self.replies]

    @property
    def summaries(self) -> list[pb.Summary]:
        return [reply.summary for reply in self.replies if reply.HasField("summary")]

    @property
    def failure(self) -> Failure:
        assert self.status is not None, self.kinds
        if self.replies:
            told = from_status(self.replies[-1].error)
            assert (told.reason, told.code, told.field) == (self.status.reason, self.status.code, self.status.field)
        return self.status


@pytest.fixture(scope="module")
async def stub() -> AsyncIterator[Any]:
    """A captioner with the scripted engine."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(ENGINES, "scripted", ENGINE)
        settings = CaptionerSettings(
            listen="127.0.0.1:0", engine="scripted", drain_announce_seconds=0, max_queued_clips=4, idle_seconds=5
        )
        async with running(settings) as port, grpc.aio.insecure_channel(f"127.0.0.1:{port}") as channel:
            yield captioner_pb2_grpc.CaptionerServiceStub(channel)


@pytest.fixture
def script() -> Script:
    """The engine's script, as it was at first."""
    SCRIPT.forget()
    return SCRIPT


async def hear(call: Any, heard: Heard) -> Heard:
    try:
        while (reply := await call.read()) is not grpc.aio.EOF:
            heard.replies.append(reply)
    except grpc.aio.AioRpcError as error:
        heard.status = from_rpc_error(error)
    return heard


async def describe(stub: Any, first: pb.CaptionRequest, rest: Sequence[pb.CaptionRequest]) -> Heard:
    """A whole call by the rules: config, `accepted`, the rest, half-close."""
    call, heard = stub.Caption(timeout=20), Heard()
    try:
        await call.write(first)
        heard.replies.append(await call.read())
        for request in rest:
            await call.write(request)
        await call.done_writing()
        return await hear(call, heard)
    except grpc.aio.AioRpcError as error:
        return Heard(heard.replies, from_rpc_error(error))
    finally:
        call.cancel()


class TestWindows:
    async def test_without_a_window_the_whole_stream_is_one_clip(self, stub: Any, script: Script) -> None:
        requests = [batch(still(0), still(5)), batch(still(9)), end(3)]
        heard = await describe(stub, config(request_id="one"), requests)
        assert heard.kinds == ["accepted", "summary", "completed"]
        accepted, summary = heard.replies[0].accepted, heard.summaries[0]
        assert (accepted.request_id, accepted.model, accepted.max_frames) == ("one", "scripted-1", 8)
        assert summary.text == "3 frames of 16 x 8 at level 100."
        assert (to_seconds(summary.range.start), to_seconds(summary.range.end)) == (0.0, 0.9)
        assert summary.provenance.frame_count == 3
        assert summary.provenance.prompt_name == "concise"
        assert heard.replies[-1].completed == pb.CaptionCompleted(frame_count=3, summaries=1)
        assert [reply.sequence for reply in heard.replies] == [1, 2, 3]

    async def test_summaries_of_windows_come_while_the_stream_is_open(self, stub: Any, script: Script) -> None:
        call = stub.Caption(timeout=20)
        await call.write(config(window=2))
        assert (await call.read()).HasField("accepted")
        for window in range(3):
            await call.write(batch(still(2 * window), still(2 * window + 1)))
            summary = (await call.read()).summary
            assert (summary.window_index, summary.provenance.frame_count) == (window, 2)
        await call.write(batch(still(6)))
        await call.write(end(7))
        await call.done_writing()
        heard = await hear(call, Heard())
        assert heard.kinds == ["summary", "completed"]
        assert (heard.summaries[0].window_index, heard.summaries[0].provenance.frame_count) == (3, 1)
        assert heard.replies[-1].completed == pb.CaptionCompleted(frame_count=7, summaries=4)

    async def test_summaries_come_in_the_order_of_their_windows(self, stub: Any, script: Script) -> None:
        frames = [still(index, picture(index * 20)) for index in range(12)]
        heard = await describe(stub, config(window=1), [batch(*frames), end(12)])
        assert [summary.window_index for summary in heard.summaries] == list(range(12))
        levels = [int(summary.text.rpartition(" ")[2].rstrip(".")) for summary in heard.summaries]
        assert levels == [index * 20 for index in range(12)]

    async def test_an_end_at_the_end_of_a_window_adds_no_empty_one(self, stub: Any, script: Script) -> None:
        heard = await describe(stub, config(window=2), [batch(still(0), still(1)), end(2)])
        assert len(heard.summaries) == 1


class TestText:
    async def test_the_pieces_of_a_window_join_to_its_summary(self, stub: Any, script: Script) -> None:
        frames = [still(index, picture(50 * index)) for index in range(4)]
        heard = await describe(stub, config(window=2, text_deltas=True), [batch(*frames), end(4)])
        for summary in heard.summaries:
            pieces = [reply.text_delta for reply in heard.replies if reply.HasField("text_delta")]
            text = "".join(piece.text for piece in pieces if piece.window_index == summary.window_index)
            assert text == summary.text

    async def test_no_pieces_come_unless_asked_for(self, stub: Any, script: Script) -> None:
        heard = await describe(stub, config(), [batch(still(0)), end(1)])
        assert "text_delta" not in heard.kinds

    async def test_a_named_prompt_and_a_callers_own_reach_the_engine(self, stub: Any, script: Script) -> None:
        await describe(stub, config(prompt=pb.Prompt(name="scene")), [batch(still(0)), end(1)])
        await describe(stub, config(prompt=pb.Prompt(text="<video> What moves?")), [batch(still(0)), end(1)])
        scene, own = (clip.prompt for clip in script.clips)
        assert scene.name == "scene"
        assert (own.name, own.text) == ("custom", "What moves?")


class TestTwin:
    async def test_one_clip_in_one_message_gives_the_same_text(self, stub: Any, script: Script) -> None:
        frames = [still(0), still(4)]
        streamed = await describe(stub, config(), [batch(*frames), end(2)])
        request = pb.CaptionClipRequest(config=pb.CaptionConfig(request_id="twin", encoding=JPEG), frames=frames)
        reply = await stub.CaptionClip(request, timeout=10)
        assert reply.request_id == "twin"
        assert reply.summary.text == streamed.summaries[0].text
        assert reply.summary.range == streamed.summaries[0].range

    @pytest.mark.parametrize(
        ("fields", "reason"), [({"window": 2}, "INVALID_REQUEST"), ({"text_deltas": True}, "INVALID_REQUEST")]
    )
    async def test_what_only_a_stream_can_is_refused(
        self, fields: dict[str, Any], reason: str, stub: Any, script: Script
    ) -> None:
        request = pb.CaptionClipRequest(config=pb.CaptionConfig(encoding=JPEG, **fields), frames=[still(0)])
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            await stub.CaptionClip(request, timeout=10)
        failure = from_rpc_error(caught.value)
        assert failure.reason == reason
        assert failure.field == f"config.{next(iter(fields))}"

    async def test_a_config_is_checked_without_frames_and_without_work(self, stub: Any, script: Script) -> None:
        good = pb.CaptionClipRequest(config=pb.CaptionConfig(request_id="a", encoding=JPEG), validate_only=True)
        reply = await stub.CaptionClip(good, timeout=10)
        assert (reply.request_id, reply.HasField("summary")) == ("a", False)
        bad = pb.CaptionConfig(encoding=JPEG, prompt=pb.Prompt(name="poem"))
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            await stub.CaptionClip(pb.CaptionClipRequest(config=bad, validate_only=True), timeout=10)
        assert from_rpc_error(caught.value).reason == "PROMPT_UNKNOWN"
        assert script.clips == []

    async def test_a_clip_without_frames_is_refused(self, stub: Any, script: Script) -> None:
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            await stub.CaptionClip(pb.CaptionClipRequest(config=pb.CaptionConfig(encoding=JPEG)), timeout=10)
        assert from_rpc_error(caught.value).reason == "NO_FRAMES"


class TestRefusedConfigs:
    """None of these is accepted."""

    @pytest.mark.parametrize(
        ("fields", "code", "reason", "at"),
        [
            ({"encoding": 0}, "INVALID_ARGUMENT", "INVALID_REQUEST", "encoding"),
            ({"encoding": RGB24}, "INVALID_ARGUMENT", "INVALID_REQUEST", "frame_size"),
            (
                {"frame_size": media_pb2.FrameSize(width=5000, height=10)},
                "INVALID_ARGUMENT",
                "INVALID_REQUEST",
                "frame_size",
            ),
            ({"window": 9}, "INVALID_ARGUMENT", "INVALID_REQUEST", "window"),
            ({"model": "gpt-x"}, "NOT_FOUND", "MODEL_UNKNOWN", "model"),
            ({"prompt": pb.Prompt(name="poem")}, "NOT_FOUND", "PROMPT_UNKNOWN", "prompt.name"),
            ({"prompt": pb.Prompt(text="<video>")}, "INVALID_ARGUMENT", "INVALID_REQUEST", "prompt.text"),
            (
                {"generation": pb.GenerationOptions(temperature=float("nan"))},
                "INVALID_ARGUMENT",
                "INVALID_REQUEST",
                "generation.temperature",
            ),
            ({"request_id": "two words"}, "INVALID_ARGUMENT", "INVALID_REQUEST", "request_id"),
        ],
        ids=lambda value: value if isinstance(value, str) else "",
    )
    async def test_a_config_that_cannot_be_met_is_refused(
        self, fields: dict[str, Any], code: str, reason: str, at: str, stub: Any, script: Script
    ) -> None:
        heard = await describe(stub, config(**fields), [])
        assert heard.replies == []
        assert (heard.failure.code, heard.failure.reason, heard.failure.field) == (code, reason, at)
        assert script.clips == []


class TestRefusedFrames:
    """All of these are told in-band and by the same status."""

    @pytest.mark.parametrize(
        ("frames", "fields", "reason", "at"),
        [
            ([still(0), still(1, picture(9, 32, 8))], {}, "FRAME_SIZE_MISMATCH", "frames.data"),
            ([still(0)], {"frame_size": media_pb2.FrameSize(width=8, height=8)}, "FRAME_SIZE_MISMATCH", "frames.data"),
            ([still(0, b"no picture")], {}, "FRAME_INVALID", "frames.data"),
            (
                [media_pb2.Frame(data=picture(1), pts=Duration(seconds=400_000_000_000))],
                {},
                "INVALID_REQUEST",
                "frames.pts",
            ),
            ([media_pb2.Frame(data=picture(1), pts=Duration(nanos=-(10**9)))], {}, "INVALID_REQUEST", "frames.pts"),
            ([still(0, picture(9)[:200])], {}, "FRAME_INVALID", "frames.data"),
            ([still(0)], {"encoding": PNG}, "FRAME_INVALID", "frames.data"),
            ([still(0, b"")], {}, "FRAME_INVALID", "frames.data"),
            ([still(0, bytes((1 << 20) + 1))], {}, "FRAME_TOO_LARGE", "frames.data"),
            ([still(index) for index in range(9)], {}, "TOO_MANY_FRAMES", "frames"),
            ([still(1), still(1)], {}, "INVALID_REQUEST", "frames.index"),
            ([still(1, pts=2.0), still(2, pts=1.0)], {}, "INVALID_REQUEST", "frames.pts"),
            ([still(0, pts=-1.0)], {}, "INVALID_REQUEST", "frames.pts"),
            (
                [still(0, bytes(10))],
                {"encoding": RGB24, "frame_size": media_pb2.FrameSize(width=4, height=4)},
                "FRAME_SIZE_MISMATCH",
                "frames.data",
            ),
            ([], {}, "INVALID_REQUEST", "frames.frames"),
            ([still(index) for index in range(65)], {"window": 1}, "INVALID_REQUEST", "frames.frames"),
        ],
        ids=[
            "sizes differ",
            "not the size of the config",
            "no JPEG",
            "pts beyond any Duration",
            "pts with a second of nanos",
            "half a JPEG",
            "a JPEG called PNG",
            "no data",
            "too large",
            "too many",
            "index stands still",
            "pts falls",
            "pts is negative",
            "RGB24 of another size",
            "an empty batch",
            "a batch of 65",
        ],
    )
    async def test_frames_that_cannot_be_used_are_refused(
        self,
        frames: list[media_pb2.Frame],
        fields: dict[str, Any],
        reason: str,
        at: str,
        stub: Any,
        script: Script,
    ) -> None:
        heard = await describe(stub, config(**fields), [batch(*frames), end(len(frames))])
        assert heard.kinds[0] == "accepted"
        assert heard.kinds[-1] == "error"
        assert (heard.failure.code, heard.failure.reason, heard.failure.field) == ("INVALID_ARGUMENT", reason, at)

    async def test_raw_frames_are_read_as_they_are(self, stub: Any, script: Script) -> None:
        size = media_pb2.FrameSize(width=6, height=4)
        frames = [still(0, bytes([7]) * 72)]
        heard = await describe(stub, config(encoding=RGB24, frame_size=size), [batch(*frames), end(1)])
        assert heard.summaries[0].text == "1 frames of 6 x 4 at level 7."

    @pytest.mark.parametrize("window", [0, 2])
    async def test_a_stream_without_frames_is_refused(self, window: int, stub: Any, script: Script) -> None:
        heard = await describe(stub, config(window=window), [end(0)])
        assert (heard.failure.reason, heard.failure.field) == ("NO_FRAMES", "frames")

    async def test_a_count_that_differs_is_a_loss(self, stub: Any, script: Script) -> None:
        heard = await describe(stub, config(), [batch(still(0)), end(2)])
        assert (heard.failure.code, heard.failure.reason) == ("DATA_LOSS", "INPUT_COUNT_MISMATCH")

    async def test_a_stream_without_an_end_is_refused(self, stub: Any, script: Script) -> None:
        heard = await describe(stub, config(), [batch(still(0))])
        assert heard.failure.reason == "INPUT_TRUNCATED"
        assert script.clips == []


class TestWork:
    async def test_an_engine_that_fails_tells_nothing_of_why(self, stub: Any, script: Script, logs: LogLines) -> None:
        script.fail = RuntimeError("cuda:0 at /models/secret ran out of memory")
        heard = await describe(stub, config(), [batch(still(0)), end(1)])
        assert (heard.failure.code, heard.failure.reason) == ("INTERNAL", "CAPTIONING_FAILED")
        assert "secret" not in heard.failure.message
        assert "secret" in logs.text

    async def test_a_caller_that_leaves_is_not_worked_for(self, stub: Any, script: Script, logs: LogLines) -> None:
        script.go.clear()
        busy = stub.Caption(timeout=20)
        await busy.write(config(request_id="busy"))
        await busy.read()
        await busy.write(batch(still(0)))
        await busy.write(end(1))
        await asyncio.to_thread(script.begun.wait, 5)
        leaving = stub.Caption(timeout=20)
        await leaving.write(config(request_id="leaving", window=1))
        await leaving.read()
        await leaving.write(batch(*(still(index) for index in range(2))))
        leaving.cancel()
        (line,) = await logs.wait_for("answered", request_id="leaving")
        assert line["code"] == "CANCELLED"
        script.go.set()
        assert (await hear(busy, Heard())).status is None
        await describe(stub, config(), [batch(still(0)), end(1)])
        assert len(script.clips) == 2  # the busy one and the last: none of the two that were left

    async def test_a_full_queue_says_when_to_come_back(self, stub: Any, script: Script, logs: LogLines) -> None:
        script.go.clear()
        clip = pb.CaptionClipRequest(config=pb.CaptionConfig(encoding=JPEG), frames=[still(0)])
        calls = [asyncio.ensure_future(stub.CaptionClip(clip, timeout=20))]
        await asyncio.to_thread(script.begun.wait, 5)
        calls += [asyncio.ensure_future(stub.CaptionClip(clip, timeout=20)) for _ in range(8)]
        await logs.wait_for("answered", count=2, reason="QUEUE_FULL")
        script.go.set()
        outcomes = await asyncio.gather(*calls, return_exceptions=True)
        refused = [from_rpc_error(outcome) for outcome in outcomes if isinstance(outcome, grpc.RpcError)]
        assert refused
        assert all(isinstance(failure, QueueFull) and failure.retry_after_seconds for failure in refused)

    async def test_the_model_says_what_it_wants(self, stub: Any, script: Script) -> None:
        model = await stub.GetModel(pb.GetModelRequest(), timeout=5)
        assert (model.engine, model.model) == ("scripted", "scripted-1")
        assert (model.frame_short_side, model.default_frames, model.max_frames) == (32, 4, 8)
        assert [prompt.name for prompt in model.prompts] == ["concise", "scene"]
        assert model.encodings[0] == JPEG

"""The rules of streams: config first, accepted, input until its counted end, failures told in-band."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import grpc
import pytest
from log_lines import LogLines
from scripted_server import NAME, Hosted, failure_of, hosting, raising

from vidtomusictags.captioner.v1 import captioner_pb2 as pb
from vidtomusictags.media.v1 import media_pb2
from vidtomusictags.rpc.failures import CaptioningFailed, Failure
from vidtomusictags.rpc.status import from_status, to_status

CONFIG = pb.CaptionRequest(config=pb.CaptionConfig(request_id="talk"))
FRAME = pb.CaptionRequest(frames=pb.FrameBatch(frames=[media_pb2.Frame(data=b"x")]))
LARGE = pb.CaptionRequest(frames=pb.FrameBatch(frames=[media_pb2.Frame(data=b"x" * 200_000)]))


def end(count: int) -> pb.CaptionRequest:
    return pb.CaptionRequest(end_of_input=pb.EndOfInput(frame_count=count))


@dataclass
class Heard:
    """What a caller heard: its events, the failure told in-band, and the one of the call's status."""

    events: list[str] = field(default_factory=list)
    told: Failure | None = None
    status: Failure | None = None
    sequence: list[int] = field(default_factory=list)


async def hear(call: Any, heard: Heard, stop: asyncio.Event | None = None) -> Heard:
    """Reads to the end. stop: set when an error is told, so that the writer stops as a good caller does."""
    try:
        async with asyncio.timeout(60):
            while (reply := await call.read()) is not grpc.aio.EOF:
                heard.events.append(reply.WhichOneof("event"))
                heard.sequence.append(reply.sequence)
                if reply.HasField("error"):
                    heard.told = from_status(reply.error)
                    if stop is not None:
                        stop.set()
    except grpc.aio.AioRpcError as error:
        heard.status = failure_of(error)
    finally:
        if stop is not None:
            stop.set()
    return heard


async def say(hosted: Hosted, messages: Sequence[pb.CaptionRequest], *, half_close: bool = True) -> Heard:
    """Sends the first message, waits for what it brings, sends the rest, and hears the answer out."""
    call, heard = hosted.stub.Caption(timeout=10), Heard()
    try:
        if messages:
            await call.write(messages[0])
        elif half_close:
            await call.done_writing()
        if messages and messages[0].HasField("config"):
            accepted = await call.read()
            heard.events.append(accepted.WhichOneof("event"))
            heard.sequence.append(accepted.sequence)
        for message in messages[1:]:
            await call.write(message)
        if messages and half_close:
            await call.done_writing()
        return await hear(call, heard)
    finally:
        call.cancel()


async def test_a_whole_conversation_is_accepted_first_and_completed_last(hosted: Hosted) -> None:
    heard = await say(hosted, [CONFIG, FRAME, FRAME, end(2)])
    assert heard.events == ["accepted", "completed"]
    assert heard.sequence == [1, 2]
    assert heard.status is None


@pytest.mark.parametrize("first", [FRAME, end(0), pb.CaptionRequest()], ids=["frames", "end", "empty"])
async def test_anything_but_the_config_first_is_refused(first: pb.CaptionRequest, hosted: Hosted) -> None:
    heard = await say(hosted, [first])
    assert heard.events == []
    assert heard.status is not None
    assert (heard.status.code, heard.status.reason) == ("INVALID_ARGUMENT", "CONFIG_MISSING")


async def test_a_stream_that_ends_before_its_config_is_refused(hosted: Hosted) -> None:
    heard = await say(hosted, [])
    assert heard.status is not None
    assert heard.status.reason == "CONFIG_MISSING"


async def test_a_config_that_does_not_come_ends_the_call(hosted: Hosted) -> None:
    hosted.script.first_message_seconds = 0.2
    heard = await say(hosted, [], half_close=False)
    assert heard.status is not None
    assert heard.status.code == "DEADLINE_EXCEEDED"


@pytest.mark.parametrize(
    ("rest", "code", "reason"),
    [
        ([FRAME, CONFIG], "INVALID_ARGUMENT", "CONFIG_REPEATED"),
        ([FRAME, pb.CaptionRequest()], "INVALID_ARGUMENT", "INVALID_REQUEST"),
        ([FRAME, end(2)], "DATA_LOSS", "INPUT_COUNT_MISMATCH"),
        ([FRAME], "INVALID_ARGUMENT", "INPUT_TRUNCATED"),
        ([], "INVALID_ARGUMENT", "INPUT_TRUNCATED"),
    ],
    ids=["config repeated", "empty message", "miscounted", "truncated", "nothing at all"],
)
async def test_a_broken_rule_is_told_in_band_and_by_the_same_status(
    rest: list[pb.CaptionRequest], code: str, reason: str, hosted: Hosted
) -> None:
    heard = await say(hosted, [CONFIG, *rest])
    assert heard.events == ["accepted", "error"]
    assert heard.sequence == [1, 2]
    assert heard.told is not None and heard.status is not None
    assert (heard.told.code, heard.told.reason) == (code, reason)
    assert (heard.status.code, heard.status.reason) == (code, reason)
    assert heard.told.message == heard.status.message
    assert to_status(heard.told, domain="d") == to_status(heard.status, domain="d")


async def test_input_after_its_end_is_refused(hosted: Hosted) -> None:
    arrived = asyncio.Event()

    async def until_more_came() -> None:
        await arrived.wait()

    hosted.script.on_end = until_more_came
    call, heard = hosted.stub.Caption(timeout=10), Heard()
    try:
        await call.write(CONFIG)
        await call.read()
        for message in (FRAME, end(1), FRAME):
            await call.write(message)
        await call.done_writing()
        # The reply to a later call shows that the server has read what was written before it.
        await hosted.stub.GetModel(pb.GetModelRequest())
        arrived.set()
        await hear(call, heard)
    finally:
        call.cancel()
    assert heard.told is not None and heard.status is not None
    assert heard.told.reason == heard.status.reason == "INPUT_AFTER_END"


async def test_a_caller_that_falls_silent_is_told_so(hosted: Hosted) -> None:
    hosted.script.idle_seconds = 0.05
    call, heard, stop = hosted.stub.Caption(timeout=10), Heard(), asyncio.Event()
    try:
        await call.write(CONFIG)
        hearing = asyncio.create_task(hear(call, heard, stop))
        await stop.wait()
        await call.done_writing()
        await hearing
    finally:
        call.cancel()
    assert heard.told is not None and heard.status is not None
    assert heard.told.reason == heard.status.reason == "DEADLINE_EXCEEDED"
    assert "Nothing was sent" in heard.told.message


async def test_the_services_own_deadline_is_told_in_band_too() -> None:
    async with hosting(max_call_seconds=3) as hosted:
        call, heard, stop = hosted.stub.Caption(timeout=10), Heard(), asyncio.Event()
        try:
            await call.write(CONFIG)
            hearing = asyncio.create_task(hear(call, heard, stop))
            await stop.wait()
            await call.done_writing()
            await hearing
        finally:
            call.cancel()
        assert heard.events == ["accepted", "error"]
        assert heard.told is not None and heard.status is not None
        assert heard.told.reason == heard.status.reason == "DEADLINE_EXCEEDED"
        assert "allow more time" in heard.told.message


async def test_a_caller_that_is_still_writing_hears_the_failure_60_times_of_60(hosted: Hosted) -> None:
    """Without the in-band error and the reading on, most of these callers saw INTERNAL instead of the truth."""
    hosted.script.on_frames = raising(CaptioningFailed("The model could not; send other frames."))

    async def call_once() -> Heard:
        call, heard, stop = hosted.stub.Caption(timeout=10), Heard(), asyncio.Event()
        try:
            await call.write(CONFIG)
            await call.read()
            hearing = asyncio.create_task(hear(call, heard, stop))
            while not stop.is_set():
                await call.write(LARGE)
            await call.done_writing()
            return await hearing
        finally:
            call.cancel()

    outcomes = [await call_once() for _ in range(60)]
    told = [(heard.told and heard.told.reason, heard.status and heard.status.reason) for heard in outcomes]
    assert told == [("CAPTIONING_FAILED", "CAPTIONING_FAILED")] * 60


async def test_a_refusal_before_accepted_is_heard_60_times_of_60() -> None:
    async with hosting(max_calls=1) as hosted:
        holding = hosted.stub.Caption()
        await holding.write(CONFIG)
        await holding.read()
        outcomes = []
        for _ in range(60):
            call = hosted.stub.Caption(timeout=60)
            try:
                await call.write(CONFIG)
                heard = await hear(call, Heard())
            except grpc.aio.AioRpcError as error:
                heard = Heard(status=failure_of(error))
            finally:
                call.cancel()
            outcomes.append((heard.events, heard.status and heard.status.reason))
        holding.cancel()
    assert outcomes == [([], "STREAMS_FULL")] * 60


@pytest.mark.parametrize("how", ["before config", "while it waits for input", "while it works", "while it sends"])
async def test_a_call_that_its_caller_leaves_ends_the_handler_and_frees_its_slot(how: str, logs: LogLines) -> None:
    async with hosting(max_calls=1) as hosted:
        hosted.script.on_end = asyncio.Event().wait  # type: ignore[assignment]
        for round in range(5):
            hosted.script.begun.clear()
            call = hosted.stub.Caption(timeout=10)
            if how != "before config":
                await call.write(CONFIG)
                if how != "while it sends":
                    await call.read()
                await hosted.script.begun.wait()
            if how == "while it works":
                await call.write(FRAME)
                await call.write(end(1))
                await hosted.stub.GetModel(pb.GetModelRequest())
            call.cancel()
            if how == "before config" and not hosted.script.ended:
                break  # the call never left this side
            lines = await logs.wait_for("answered", count=round + 1, method=f"/{NAME}/Caption")
            assert {line["code"] for line in lines} == {"CANCELLED"}
            assert hosted.script.ended == round + 1
        again = hosted.stub.Caption(timeout=10)
        await again.write(CONFIG)
        assert (await again.read()).HasField("accepted")
        again.cancel()


@pytest.mark.parametrize("method", ["Caption", "CaptionClip"])
async def test_a_call_that_is_left_before_its_first_message_is_not_taken_for_one_that_ends_without(
    method: str, hosted: Hosted, logs: LogLines
) -> None:
    """gRPC tells the end of the stream first, and of the cancellation a moment later."""
    for _ in range(100):
        call = hosted.channel.stream_stream(f"/{NAME}/{method}")(timeout=60)
        await call.wait_for_connection()
        await hosted.stub.GetModel(pb.GetModelRequest())  # so the server has taken up what came before it
        call.cancel()
    lines = await logs.wait_for("answered", count=100, method=f"/{NAME}/{method}")
    assert {(line["code"], line.get("reason")) for line in lines} == {("CANCELLED", None)}


async def test_a_line_of_a_call_that_was_left_carries_its_request_id(hosted: Hosted, logs: LogLines) -> None:
    call = hosted.stub.Caption(timeout=10)
    await call.write(CONFIG)
    await call.read()
    call.cancel()
    (line,) = await logs.wait_for("answered")
    assert (line["code"], line["request_id"]) == ("CANCELLED", "talk")


async def test_a_cut_stream_is_never_taken_for_a_finished_one(hosted: Hosted, logs: LogLines) -> None:
    """A cancelled call looks like an ended stream to grpc.aio's reader; only `end_of_input` may complete one."""
    for _ in range(20):
        hosted.script.begun.clear()
        call = hosted.stub.Caption(timeout=10)
        await call.write(CONFIG)
        await call.read()
        await call.write(FRAME)
        call.cancel()
    lines = await logs.wait_for("answered", count=20)
    assert {line["code"] for line in lines} == {"CANCELLED"}


async def test_a_caller_cannot_send_much_that_nobody_reads() -> None:
    """What gRPC holds unread is a window of 512 KiB; what is read ahead comes on top, and is bounded too."""
    async with hosting() as hosted:
        hosted.script.on_frames = lambda count: asyncio.Event().wait()  # type: ignore[assignment,return-value]
        megabyte = pb.CaptionRequest(frames=pb.FrameBatch(frames=[media_pb2.Frame(data=bytes(1 << 20))]))
        call = hosted.stub.Caption(timeout=60)
        await call.write(CONFIG)
        await call.read()
        sent = 0
        with pytest.raises(TimeoutError):
            for _ in range(40):
                async with asyncio.timeout(2):
                    await call.write(megabyte)
                sent += 1
        call.cancel()
    assert 1 <= sent <= 6

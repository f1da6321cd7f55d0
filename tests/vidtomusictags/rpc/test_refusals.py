"""A stream that is refused hears why, whoever calls and however slow: its first message is waited for, briefly."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import grpc
import pytest
from callers import write_callers
from scripted_server import Hosted, failure_of, hosting

from vidtomusictags.captioner.v1 import captioner_pb2 as pb
from vidtomusictags.media.v1 import media_pb2
from vidtomusictags.rpc import refusals
from vidtomusictags.rpc.failures import Failure, QueueFull

CONFIG = pb.CaptionRequest(config=pb.CaptionConfig(request_id="refused"))
LARGE = pb.CaptionRequest(frames=pb.FrameBatch(frames=[media_pb2.Frame(data=bytes(3 << 20))]))
Wait = Callable[[float], None]


@pytest.fixture
def wait_at_most(monkeypatch: pytest.MonkeyPatch) -> Wait:
    return lambda seconds: monkeypatch.setattr(refusals, "_FIRST_MESSAGE_SECONDS", seconds)


async def hold_all_slots(hosted: Hosted) -> Any:
    call = hosted.stub.Caption()
    await call.write(CONFIG)
    await call.read()
    return call


async def close_the_door(hosted: Hosted) -> None:
    await hosted.host.announce_not_ready()


async def take_the_room(hosted: Hosted) -> None:
    def full() -> None:
        raise QueueFull("The line is full.", retry_after_seconds=1)

    hosted.script.check_room = full


async def ask_once(hosted: Hosted) -> None:
    await hosted.stub.GetModel(pb.GetModelRequest())


async def end_of(call: Any) -> Failure:
    try:
        while await call.read() is not grpc.aio.EOF:
            pass
    except grpc.aio.AioRpcError as error:
        return failure_of(error)
    raise AssertionError("it ended well")


@pytest.mark.parametrize("message", [CONFIG, LARGE], ids=["config", "three megabytes"])
@pytest.mark.parametrize(
    ("prepare", "settings", "reason"),
    [
        (hold_all_slots, {"max_calls": 1}, "STREAMS_FULL"),
        (hold_all_slots, {"caller_max_calls": 1}, "CALLER_LIMITED"),
        (ask_once, {"caller_requests_a_minute": 1}, "CALLER_LIMITED"),
        (take_the_room, {}, "QUEUE_FULL"),
        (close_the_door, {}, "MODEL_LOADING"),
    ],
    ids=["no slot", "no slot for the caller", "too many requests", "no room behind", "not ready"],
)
async def test_a_caller_that_writes_late_hears_why_it_is_refused(
    prepare: Any, settings: dict[str, Any], reason: str, message: pb.CaptionRequest, wait_at_most: Wait
) -> None:
    wait_at_most(20)
    async with hosting(**settings) as hosted:
        held = await prepare(hosted)
        call = hosted.stub.Caption(timeout=60)
        await call.wait_for_connection()
        await asyncio.sleep(0.05)
        await call.write(message)
        assert (await end_of(call)).reason == reason
        if held is not None:
            held.cancel()


async def test_a_caller_whose_loop_stands_still_hears_why_40_times_of_40(hosted: Hosted) -> None:
    """Were the call ended at once, its end would be there before the write, and gRPC report INTERNAL instead."""
    refused = asyncio.Event()

    def full() -> None:
        refused.set()
        raise QueueFull("The line is full.", retry_after_seconds=1)

    hosted.script.check_room = full
    reasons = []
    for _ in range(40):
        refused.clear()
        call = hosted.stub.Caption(timeout=60)
        await call.wait_for_connection()
        await refused.wait()
        time.sleep(0.01)  # noqa: ASYNC251
        try:
            await call.write(CONFIG)
            reasons.append((await end_of(call)).reason)
        except grpc.aio.AioRpcError as error:
            reasons.append(failure_of(error).reason)
    assert reasons == ["QUEUE_FULL"] * 40


async def test_a_caller_that_writes_nothing_is_refused_all_the_same(hosted: Hosted, wait_at_most: Wait) -> None:
    wait_at_most(0.1)
    await take_the_room(hosted)
    assert (await end_of(hosted.stub.Caption(timeout=60))).reason == "QUEUE_FULL"


async def test_a_deadline_is_no_reason_to_hear_of_it_only(hosted: Hosted, wait_at_most: Wait) -> None:
    wait_at_most(60)
    await take_the_room(hosted)
    assert (await end_of(hosted.stub.Caption(timeout=2))).reason == "QUEUE_FULL"


async def test_a_message_that_cannot_be_read_changes_nothing(hosted: Hosted) -> None:
    await take_the_room(hosted)
    call = hosted.channel.stream_stream("/vidtomusictags.captioner.v1.CaptionerService/Caption")(timeout=60)
    await call.write(b"\xff\xff")
    assert (await end_of(call)).reason == "QUEUE_FULL"


async def test_few_wait_at_once_and_the_others_are_refused_on_the_spot(
    hosted: Hosted, wait_at_most: Wait, monkeypatch: pytest.MonkeyPatch
) -> None:
    wait_at_most(60)
    monkeypatch.setattr(refusals, "_MOST_WAITING", 2)
    await take_the_room(hosted)
    async with AsyncExitStack() as stack:
        calls = []
        for _ in range(3):
            calls.append(hosted.stub.Caption(timeout=300))
            stack.callback(calls[-1].cancel)
            await calls[-1].wait_for_connection()
        assert (await end_of(calls[2])).reason == "QUEUE_FULL"
        assert [call.done() for call in calls] == [False, False, True]
        await calls[0].write(CONFIG)
        assert (await end_of(calls[0])).reason == "QUEUE_FULL"
        await calls[1].write(CONFIG)
        assert (await end_of(calls[1])).reason == "QUEUE_FULL"


async def test_what_is_refused_holds_nothing_of_its_caller_while_it_waits(wait_at_most: Wait) -> None:
    """Neither a slot nor a place among the calls of its caller."""
    wait_at_most(60)
    async with hosting(max_calls=1, caller_max_calls=2) as hosted:
        held = await hold_all_slots(hosted)
        waiting = hosted.stub.Caption(timeout=300)
        await waiting.wait_for_connection()
        await asyncio.sleep(0.05)
        other = hosted.stub.Caption(timeout=60)
        await other.write(CONFIG)
        assert (await end_of(other)).reason == "STREAMS_FULL"
        for call in (held, waiting):
            call.cancel()


async def test_a_caller_that_is_not_known_is_not_waited_for(tmp_path: Path, wait_at_most: Wait) -> None:
    """Nothing of it is read, and its call is over before it has written a word."""
    wait_at_most(60)
    callers = write_callers(
        tmp_path / "callers.toml",
        website={"token": "right", "permissions": ["caption"]},
        monitor={"token": "reader", "permissions": ["model"]},
    )
    async with hosting(tokens_file=callers) as hosted:
        await take_the_room(hosted)
        for token, code in (("wrong", grpc.StatusCode.UNAUTHENTICATED), ("reader", grpc.StatusCode.PERMISSION_DENIED)):
            call = hosted.stub.Caption(timeout=300, metadata=(("authorization", f"Bearer {token}"),))
            async with asyncio.timeout(30):
                assert await call.code() is code

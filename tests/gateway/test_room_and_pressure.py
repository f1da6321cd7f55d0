"""What is refused before anything is read: for want of decoders, of time, or of room behind the gateway."""

from __future__ import annotations

import asyncio
import heapq
import itertools
import random
from contextlib import ExitStack, suppress
from pathlib import Path
from typing import Any

import grpc
import pytest
from tagging_calls import Outcome, hear, tag_video

from gateway.pressure import Pressure
from gateway.video.limits import SandboxLimits
from gateway.video.sandbox import Sandbox
from vidtomusictags.gateway.v1 import gateway_pb2 as pb
from vidtomusictags.rpc.failures import CaptioningFailed, Failure, QueueFull, WouldMissDeadline
from vidtomusictags.rpc.status import from_rpc_error


async def busy_sandbox(*, waiting: int, usual_seconds: float, **limits: Any) -> Sandbox:
    """Two workers that are both taken, without any process."""
    sandbox = Sandbox(SandboxLimits(workers=2, **limits))
    for _ in range(2):
        await sandbox._turns.acquire()
    sandbox._learn(usual_seconds)
    sandbox.waiting = waiting
    return sandbox


class TestDecoders:
    async def test_while_one_is_free_nobody_is_refused(self) -> None:
        sandbox = await busy_sandbox(waiting=0, usual_seconds=100.0)
        sandbox._turns.release()
        sandbox.check_room(0.1)

    async def test_a_wait_of_more_than_half_of_the_time_left_is_refused(self) -> None:
        sandbox = await busy_sandbox(waiting=3, usual_seconds=1.0)  # two seconds to wait
        sandbox.check_room(4.1)
        with pytest.raises(WouldMissDeadline) as refused:
            sandbox.check_room(3.9)
        assert "about 2.0 s to be decoded, more than half of the 3.9 s" in refused.value.message

    async def test_a_line_is_bounded_by_time_even_where_callers_have_plenty(self) -> None:
        sandbox = await busy_sandbox(waiting=30, usual_seconds=1.0, longest_wait_seconds=15.0)
        with pytest.raises(QueueFull) as refused:
            sandbox.check_room(600.0)
        assert refused.value.retry_after_seconds is not None
        assert 0.5 <= refused.value.retry_after_seconds <= 7.5

    async def test_a_gateway_asks_before_it_accepts(
        self, gateway: Any, gateway_with: Any, film: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        def full(self: Sandbox, within_seconds: float) -> None:
            assert 0 < within_seconds < 31  # clocks are converted on the way
            raise QueueFull("Too many wait; try again after the delay.", retry_after_seconds=0.1)

        async with gateway_with(gateway.captioner, gateway.classifier, tmp_path) as own:
            monkeypatch.setattr(Sandbox, "check_room", full)
            refused = await tag_video(own.stub, "file:///not/even/looked/at")
            assert refused.events == []
            assert (refused.failure.code, refused.failure.reason) == ("RESOURCE_EXHAUSTED", "QUEUE_FULL")
            call = own.stub.TagUpload(timeout=30)
            with pytest.raises(grpc.aio.AioRpcError) as caught:
                await call.read()  # nothing was sent, and still it is answered
            assert from_rpc_error(caught.value).reason == "QUEUE_FULL"


class Clock:
    """Time that stands until it is set."""

    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


def fails(pressure: Pressure, failure: Failure, *, seconds_left: float = 0.0) -> None:
    """A call to somebody behind that ends with this failure."""
    with suppress(type(failure)), pressure.heeded(seconds_left):
        raise failure


def lets_in(pressure: Pressure, seconds: float) -> bool:
    """Whether a caller with so much time may come in."""
    try:
        pressure.check(seconds)
    except (QueueFull, WouldMissDeadline):
        return False
    return True


class TestPressure:
    def test_two_refusals_behind_are_heeded_for_half_of_the_delay_they_asked_for(self) -> None:
        pressure = Pressure(clock := Clock())
        for _ in range(2):
            pressure.check(60.0)
            fails(pressure, QueueFull("Wait.", retry_after_seconds=1.0))
        clock.now += 0.4
        with pytest.raises(QueueFull) as refused:
            pressure.check(60.0)
        assert refused.value.retry_after_seconds
        clock.now += 0.2
        pressure.check(60.0)

    def test_other_failures_are_no_sign_of_it(self) -> None:
        pressure = Pressure()
        for failure in (QueueFull, CaptioningFailed, QueueFull, CaptioningFailed):
            fails(pressure, failure("Wait.", retry_after_seconds=60.0))
        for refused in (True, False, True):
            with suppress(QueueFull), pressure.heeded():
                if refused:
                    raise QueueFull("Wait.", retry_after_seconds=60.0)
        pressure.check(60.0)

    def test_a_line_found_too_long_closes_for_callers_with_as_little_time_only(self) -> None:
        pressure = Pressure(clock := Clock())
        with ExitStack() as inside:
            for _ in range(3):
                inside.enter_context(pressure.inside())
            fails(pressure, WouldMissDeadline("Too late."), seconds_left=8.0)
            assert not lets_in(pressure, 8.0)
            assert not lets_in(pressure, 10.0), "a little more time is none, decoding takes some of it"
            assert lets_in(pressure, 11.0)
            clock.now += 5.1
            assert lets_in(pressure, 8.0), "what was true then need not be now"

    def test_a_place_that_becomes_free_is_taken_and_every_fourth_answer_makes_one(self) -> None:
        pressure = Pressure(Clock())
        with ExitStack() as inside, ExitStack() as last:
            for stack in (inside, inside, last):
                stack.enter_context(pressure.inside())
            fails(pressure, WouldMissDeadline("Too late."), seconds_left=8.0)  # two of the three were taken
            last.close()
            assert not lets_in(pressure, 8.0)
            for _ in range(3):
                with pressure.heeded(8.0):
                    pass
            assert not lets_in(pressure, 8.0)
            with pressure.heeded(8.0):
                pass
            assert lets_in(pressure, 8.0)
        assert lets_in(pressure, 8.0), "nobody is inside any more"

    def test_what_another_service_has_no_time_for_is_no_line_of_clips(self) -> None:
        pressure = Pressure(Clock())
        with pressure.inside():
            fails(pressure, WouldMissDeadline("Too late."))
            assert lets_in(pressure, 0.1)

    @pytest.mark.parametrize(("replicas", "slow"), [(1, 0), (3, 0), (3, 1)])
    def test_overloaded_captioners_stay_busy_and_little_is_decoded_in_vain(self, replicas: int, slow: int) -> None:
        """A model of time: captioners that take a second a clip, four times as many clips, one tenth to decode."""
        chance, clock = random.Random(3), Clock()
        pressure = Pressure(clock)
        free_at = [clock.now] * replicas
        takes = [10.0] * slow + [1.0] * (replicas - slow)
        ends, turn, decoded, answered = clock.now + 300.0, 0, 0, 0
        happening: list[tuple[float, int, str, Any]] = []
        counter = itertools.count()

        def at(when: float, what: str, of: Any = None) -> None:
            heapq.heappush(happening, (when, next(counter), what, of))

        at(clock.now, "arrival")
        while happening and happening[0][0] < ends:
            clock.now, _, what, of = heapq.heappop(happening)
            if what == "arrival":
                at(clock.now + chance.expovariate(4.0 * replicas), "arrival")
                if lets_in(pressure, 9.9):
                    decoded += 1
                    clip = pressure.inside()
                    clip.__enter__()
                    at(clock.now + 0.1, "decoded", clip)
            elif what == "decoded":
                for _ in range(min(2, replicas)):
                    turn = (turn + 1) % replicas
                    if free_at[turn] - clock.now <= 4.9:
                        free_at[turn] = max(free_at[turn], clock.now) + takes[turn]
                        at(free_at[turn], "answered", of)
                        break
                else:
                    fails(pressure, WouldMissDeadline("Too late."), seconds_left=9.8)
                    of.__exit__(None, None, None)
            else:
                answered += 1
                with pressure.heeded(9.8):
                    pass
                of.__exit__(None, None, None)
        could = 300.0 * sum(1 / one for one in takes)
        print(f"{answered=} of {could:.0f}, {decoded=}")
        assert answered > 0.93 * could
        assert decoded < 1.5 * answered

    async def test_nothing_is_decoded_for_a_captioner_that_has_just_said_it_is_full(
        self, gateway: Any, gateway_with: Any, film: Path, tmp_path: Path
    ) -> None:
        async def full() -> None:
            raise QueueFull("32 clips wait.", retry_after_seconds=60.0)

        async with gateway_with(gateway.captioner, gateway.classifier, tmp_path, upstream_attempts=1) as own:
            clip = own.root / "film.mp4"
            clip.write_bytes(film.read_bytes())  # noqa: ASYNC240  # a test may wait
            gateway.captioner.on_config = full
            for _ in range(2):
                first = await tag_video(own.stub, f"file://{clip}")
                assert (first.failure.reason, first.kinds[0]) == ("QUEUE_FULL", "accepted")
            second = await tag_video(own.stub, f"file://{clip}")
            assert second.events == [], "it was refused before it was accepted, and nothing was decoded"
            assert (second.failure.code, second.failure.reason) == ("RESOURCE_EXHAUSTED", "QUEUE_FULL")
            assert second.failure.retry_after_seconds
            gateway.captioner.forget()
            await asyncio.sleep(1.1)
            call = own.stub.TagVideo(pb.TagVideoRequest(uri=f"file://{clip}"), timeout=30)
            assert (await hear(call, Outcome())).result

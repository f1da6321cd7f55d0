"""Which failures deserve another try, how soon, and how often."""

from __future__ import annotations

import asyncio
import math
import time
from collections.abc import Sequence

import pytest
from recording_meter import RecordingMeter

from gateway.attempts import Attempts, ConnectionLost, NotInTime, TurnedAway
from vidtomusictags.rpc import failures
from vidtomusictags.rpc.failures import Failure
from vidtomusictags.rpc.telemetry import Telemetry
from vidtomusictags.rpc.upstream_meter import ATTEMPTS, FAILURES, SECONDS


class Scripted:
    """Fails with these failures, one a try, and then succeeds."""

    def __init__(self, *failing: Failure) -> None:
        self.failing = list(failing)
        self.heard = RecordingMeter()
        self.times: list[float] = []

    async def once(self) -> str:
        self.times.append(time.monotonic())
        if self.failing:
            raise self.failing.pop(0)
        return "done"

    def attempts(self, *, most: int = 6, remaining: float = math.inf) -> Attempts:
        telemetry = Telemetry(meter=self.heard)
        return Attempts("captioner", most=most, remaining_seconds=lambda: remaining, telemetry=telemetry)


def lost() -> Failure:
    return ConnectionLost("gone")


def full(seconds: float = 0.01) -> Failure:
    return failures.StreamsFull("Wait.", retry_after_seconds=seconds)


async def test_what_succeeds_is_tried_once() -> None:
    script = Scripted()
    assert await script.attempts().run("p.S/M", script.once) == ("done", 1)
    assert script.heard.sum(ATTEMPTS, "captioner") == 1
    assert script.heard.sum(FAILURES) == 0
    assert len(script.heard.observed(SECONDS, "captioner")) == 1


@pytest.mark.parametrize(
    "failure",
    [
        ConnectionLost("gone"),
        failures.Draining("I go.", retry_after_seconds=0.01),
        failures.Loading("Soon.", retry_after_seconds=0.01),
        failures.WorkerLost("Again.", retry_after_seconds=0.01),
        failures.UpstreamUnavailable("My endpoint is away.", retry_after_seconds=0.01),
        failures.StreamsFull("Wait.", retry_after_seconds=0.01),
        failures.UpstreamRateLimited("Wait.", retry_after_seconds=0.01),
    ],
    ids=lambda failure: failure.reason,
)
async def test_what_may_pass_is_tried_again(failure: Failure) -> None:
    script = Scripted(failure)
    assert await script.attempts().run("p.S/M", script.once) == ("done", 2)
    assert script.heard.sum(ATTEMPTS, "captioner") == 2
    assert script.heard.sum(FAILURES, "captioner", failure.reason) == script.heard.sum(FAILURES) == 1


@pytest.mark.parametrize(
    "failure",
    [
        failures.InvalidRequest("Never."),
        failures.UnknownPrompt("Never."),
        failures.CaptioningFailed("Never."),
        failures.ContentRefused("Never."),
        failures.UpstreamBroken("Never."),
        failures.DeadlineExceeded("Too late."),
        failures.QueueFull("It will not pass."),
        failures.UpstreamUnavailable("It will not pass."),
        failures.UpstreamQuota("Pay."),
    ],
    ids=lambda failure: failure.reason,
)
async def test_what_will_not_pass_is_told_at_once(failure: Failure) -> None:
    script = Scripted(failure)
    with pytest.raises(type(failure)):
        await script.attempts().run("p.S/M", script.once)
    assert len(script.times) == 1


async def test_a_line_that_is_too_long_is_left_for_that_of_one_other_replica() -> None:
    script = Scripted(failures.WouldMissDeadline("Too late."))
    assert await script.attempts().run("p.S/M", script.once) == ("done", 2)
    script = Scripted(failures.WouldMissDeadline("Too late."), failures.WouldMissDeadline("Too late."))
    with pytest.raises(failures.WouldMissDeadline):
        await script.attempts().run("p.S/M", script.once)
    assert len(script.times) == 2


async def test_lines_that_are_too_long_everywhere_are_soon_tried_no_more_than_once() -> None:
    script = Scripted(*(failures.WouldMissDeadline("Too late.") for _ in range(60)))
    attempts = script.attempts()
    for _ in range(30):
        with pytest.raises(failures.WouldMissDeadline):
            await attempts.run("p.S/M", script.once)
    assert len(script.times) < 30 + 10


async def test_the_delay_that_was_asked_for_is_waited() -> None:
    script = Scripted(failures.Draining("I go.", retry_after_seconds=0.3))
    await script.attempts().run("p.S/M", script.once)
    assert script.times[1] - script.times[0] >= 0.3


async def test_a_lost_connection_is_tried_again_at_once_and_then_ever_later() -> None:
    script = Scripted(lost(), lost(), lost())
    await script.attempts().run("p.S/M", script.once)
    waits = [later - earlier for earlier, later in zip(script.times, script.times[1:], strict=False)]
    assert waits[0] < waits[1] < waits[2]
    assert waits[2] >= 0.4


async def test_tries_are_bounded() -> None:
    script = Scripted(*[lost() for _ in range(10)])
    with pytest.raises(ConnectionLost):
        await script.attempts(most=3).run("p.S/M", script.once)
    assert script.heard.sum(ATTEMPTS) == script.heard.sum(FAILURES) == 3


@pytest.mark.parametrize("failure", [full(), TurnedAway("RST_STREAM")], ids=["with words", "unseen"])
async def test_what_is_turned_away_for_overload_is_tried_three_times_at_most(failure: Failure) -> None:
    script = Scripted(*[failure] * 10)
    with pytest.raises(type(failure)):
        await script.attempts().run("p.S/M", script.once)
    assert len(script.times) == 3


async def test_no_try_begins_after_the_callers_deadline() -> None:
    script = Scripted(failures.Draining("I go.", retry_after_seconds=0.5))
    started = time.monotonic()
    with pytest.raises(failures.Draining):
        await script.attempts(remaining=0.4).run("p.S/M", script.once)
    assert time.monotonic() - started < 0.4


async def test_while_most_answers_are_refusals_they_are_not_tried_again_until_things_go_well() -> None:
    script = Scripted()
    attempts = script.attempts()

    async def tries_of(failing: Sequence[Failure]) -> int:
        script.failing, script.times = list(failing), []
        await asyncio.gather(attempts.run("p.S/M", script.once), return_exceptions=True)
        return len(script.times)

    for _ in range(10):
        await tries_of([full(0.001)] * 9)
    assert await tries_of([full(0.001)]) == 1
    assert await tries_of([lost()]) == 2  # a replica that is gone is another matter
    for _ in range(200):
        await tries_of([])
    assert await tries_of([full(0.001)]) == 2


async def test_a_caller_that_leaves_ends_the_tries() -> None:
    script = Scripted(failures.Draining("I go.", retry_after_seconds=30))
    running = asyncio.create_task(script.attempts().run("p.S/M", script.once))
    await asyncio.wait({running}, timeout=0.05)
    running.cancel()
    with pytest.raises(asyncio.CancelledError):
        await running
    assert len(script.times) == 1


async def test_no_two_tries_are_closer_than_ten_milliseconds() -> None:
    for _ in range(10):
        script = Scripted(lost())
        await script.attempts().run("p.S/M", script.once)
        assert script.times[1] - script.times[0] >= 0.01


async def test_one_frozen_replica_of_two_is_always_worth_another_try() -> None:
    script = Scripted()
    attempts = script.attempts()
    for _ in range(100):
        script.failing = [NotInTime("no answer")]
        assert (await attempts.run("p.S/M", script.once))[1] == 2


async def test_where_hardly_anything_is_answered_in_time_no_load_is_added() -> None:
    script = Scripted()
    attempts = script.attempts(most=2)
    for _ in range(20):
        script.failing = [NotInTime("no answer")] * 2
        await asyncio.gather(attempts.run("p.S/M", script.once), return_exceptions=True)
    script.failing, script.times = [NotInTime("no answer")], []
    with pytest.raises(NotInTime):
        await attempts.run("p.S/M", script.once)
    assert len(script.times) == 1

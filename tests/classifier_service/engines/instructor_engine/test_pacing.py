"""The limits of our own, by a clock that the test moves."""

from __future__ import annotations

import pytest

from classifier_service.engines.instructor.breaker import Breaker
from classifier_service.engines.instructor.pacing import Pace, Pacer, TokenBucket, backoff_seconds
from vidtomusictags.rpc.failures import UpstreamRateLimited, UpstreamUnavailable


class Clock:
    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


def test_a_bucket_holds_a_minutes_worth_and_refills_evenly() -> None:
    clock = Clock()
    bucket = TokenBucket(60, clock=clock)
    bucket.take(60)
    assert bucket.seconds_until_free() == 0
    bucket.take(30)
    assert bucket.seconds_until_free() == pytest.approx(30)
    clock.now += 30
    assert bucket.seconds_until_free() == pytest.approx(0)
    clock.now += 1000
    bucket.take(61)
    assert bucket.seconds_until_free() == pytest.approx(1)


async def test_a_call_that_would_wait_too_long_for_its_turn_is_refused_at_once() -> None:
    pacer = Pacer(Pace(tokens_per_minute=600), clock=Clock())
    async with pacer.turn(1200, within_seconds=1):
        pass
    with pytest.raises(UpstreamRateLimited) as raised:
        async with pacer.turn(1, within_seconds=59):
            pass
    assert raised.value.retry_after_seconds == pytest.approx(60)


async def test_requests_a_minute_are_counted() -> None:
    pacer = Pacer(Pace(requests_per_minute=2), clock=Clock())
    for _ in range(2):
        async with pacer.turn(1, within_seconds=0):
            pass
    with pytest.raises(UpstreamRateLimited):
        async with pacer.turn(1, within_seconds=1):
            pass


def test_waits_double_have_jitter_and_are_bounded() -> None:
    assert all(0.25 <= backoff_seconds(1) <= 0.5 for _ in range(50))
    assert all(1.0 <= backoff_seconds(3) <= 2.0 for _ in range(50))
    assert all(4.0 <= backoff_seconds(40) <= 8.0 for _ in range(50))
    assert len({backoff_seconds(3) for _ in range(20)}) > 1


def test_a_breaker_opens_after_failures_in_a_row_and_lets_one_request_try() -> None:
    clock = Clock()
    breaker = Breaker(2, 30.0, clock=clock)
    breaker.failed()
    breaker.succeeded()
    breaker.failed()
    breaker.check()
    breaker.failed()
    with pytest.raises(UpstreamUnavailable) as raised:
        breaker.check()
    assert raised.value.retry_after_seconds == pytest.approx(30)
    clock.now += 31
    breaker.check()
    with pytest.raises(UpstreamUnavailable):
        breaker.check()  # one is under way
    breaker.failed()
    with pytest.raises(UpstreamUnavailable):
        breaker.check()
    clock.now += 31
    breaker.check()
    breaker.succeeded()
    breaker.check()
    breaker.check()


def test_a_breaker_that_a_caller_left_can_be_tried_again() -> None:
    clock = Clock()
    breaker = Breaker(1, 30.0, clock=clock)
    breaker.failed()
    clock.now += 31
    breaker.check()
    breaker.abandoned()
    breaker.check()


def test_a_breaker_of_zero_never_opens() -> None:
    breaker = Breaker(0, 30.0)
    for _ in range(100):
        breaker.failed()
    breaker.check()

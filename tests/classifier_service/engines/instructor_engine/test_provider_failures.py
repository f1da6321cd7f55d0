"""Every trouble that a provider can make, made by a server on loopback: its failure, its attempts, its time."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from email.utils import formatdate
from typing import Any

import pytest
from fake_openai import breaks_off, drips, drops, fails, hangs, says, sends_a_page

from classifier_service.engines.engine import Question
from classifier_service.engines.instructor import pacing, upstream
from classifier_service.engines.instructor.pacing import Pace
from vidtomusictags.rpc import failures
from vidtomusictags.rpc.failures import Failure

Answer = Callable[..., dict[str, Any]]

KEY_IN_WORDS = "Incorrect API key provided: sk-abcdef0123456789"
SOON = {"Retry-After": "0.01"}


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """Own waits between tries are a thousandth of what they are."""
    monkeypatch.setattr(upstream, "backoff_seconds", lambda failed: pacing.backoff_seconds(failed) / 1000)


FINAL = {
    "used up quota": (fails(429, "insufficient_quota", "You exceeded your current quota"), failures.UpstreamQuota),
    "wrong key": (fails(401, "invalid_api_key", KEY_IN_WORDS), failures.UpstreamAuth),
    "forbidden": (fails(403, "", "Country not supported"), failures.UpstreamAuth),
    "unpaid": (fails(402, "", "Payment required"), failures.UpstreamQuota),
    "too long": (fails(400, "context_length_exceeded", "too long"), failures.ContextLengthExceeded),
    "too long for vLLM": (
        fails(400, "BadRequestError", "This model's maximum context length is 2048 tokens."),
        failures.ContextLengthExceeded,
    ),
    "too large": (fails(413, "", "Payload Too Large"), failures.ContextLengthExceeded),
    "filtered by Azure": (fails(400, "content_filter", "The prompt was filtered"), failures.ContentRefused),
    "unknown model": (fails(404, "model_not_found", "The model does not exist"), failures.UpstreamRejected),
    "not understood": (fails(400, "invalid_request_error", "Unknown field: x"), failures.UpstreamRejected),
}


@pytest.mark.parametrize(("step", "kind"), FINAL.values(), ids=FINAL.keys())
async def test_what_no_other_try_helps_is_told_after_one(
    opened: Any, laughter: Question, step: Any, kind: type[Failure]
) -> None:
    async with opened(step) as bench:
        with pytest.raises(kind) as raised:
            await bench.engine.classify(laughter)
        assert bench.requests == 1
    assert type(raised.value) is kind
    assert raised.value.details["attempts"] == "1"
    assert raised.value.retry_after_seconds is None


PASSING = {
    "rate limit": (fails(429, "rate_limit_exceeded", "slow down", headers=SOON), failures.UpstreamRateLimited),
    "rate limit without a delay": (fails(429, "rate_limit_exceeded", "slow down"), failures.UpstreamRateLimited),
    "broken server": (fails(500), failures.UpstreamUnavailable),
    "bad gateway": (fails(502), failures.UpstreamUnavailable),
    "overload": (fails(503, headers=SOON), failures.UpstreamUnavailable),
    "closed connection": (drops, failures.UpstreamUnavailable),
    "half a body": (breaks_off, failures.UpstreamUnavailable),
}


@pytest.mark.parametrize(("step", "kind"), PASSING.values(), ids=PASSING.keys())
async def test_what_may_pass_is_tried_three_times_and_then_told_with_a_delay(
    opened: Any, laughter: Question, step: Any, kind: type[Failure]
) -> None:
    async with opened(step) as bench:
        with pytest.raises(kind) as raised:
            await bench.engine.classify(laughter)
        assert bench.requests == 3
    assert type(raised.value) is kind
    assert raised.value.details["attempts"] == "3"
    assert raised.value.retry_after_seconds is not None


@pytest.mark.parametrize(("step", "kind"), PASSING.values(), ids=PASSING.keys())
async def test_what_has_passed_is_answered_and_counted(
    opened: Any, laughter: Question, answer: Answer, step: Any, kind: type[Failure]
) -> None:
    async with opened(step, says(answer())) as bench:
        answered = await bench.engine.classify(laughter)
    assert [tag.id for tag in answered.tags] == ["mood/happy"]
    assert answered.usage.attempts == 2
    assert answered.usage.prompt_tokens == 1000  # a failed request has none


async def test_a_small_window_gets_a_shorter_answer(opened: Any, laughter: Question, answer: Answer) -> None:
    words = (
        "This model's maximum context length is 2048 tokens. However, you requested 3400 tokens (1400 in the messages,"
    )
    small = fails(400, "BadRequestError", f"{words} 2000 in the completion).")
    async with opened(small, says(answer())) as bench:
        answered = await bench.engine.classify(laughter)
        assert [exchange.body["max_tokens"] for exchange in bench.provider.exchanges] == [2000, 500]
    assert answered.usage.attempts == 2
    async with opened(small) as bench:
        with pytest.raises(failures.ContextLengthExceeded):
            await bench.engine.classify(laughter)
        assert bench.requests == 2


async def test_a_refused_connection_is_told(opened: Any, laughter: Question) -> None:
    async with opened(drops) as bench:
        unused = await asyncio.start_server(lambda *_: None, "127.0.0.1", 0)
        port = unused.sockets[0].getsockname()[1]
        unused.close()
        await unused.wait_closed()
        bench.engine._upstream._provider._openai.base_url = f"http://127.0.0.1:{port}/v1/"
        with pytest.raises(failures.UpstreamUnavailable) as raised:
            await bench.engine.classify(laughter)
    assert raised.value.details["attempts"] == "3"


async def test_a_page_in_place_of_an_answer_is_no_answer(opened: Any, laughter: Question) -> None:
    async with opened(sends_a_page, reasks=1) as bench:
        with pytest.raises((failures.AnswerInvalid, failures.UpstreamUnavailable)):
            await bench.engine.classify(laughter)


@pytest.mark.parametrize("step", [hangs, drips(0.01)], ids=["silence", "a trickle"])
async def test_a_request_ends_at_its_bound_however_it_drags_on(opened: Any, laughter: Question, step: Any) -> None:
    async with opened(step, attempt_seconds=0.2, tries=2) as bench:
        started = time.monotonic()
        with pytest.raises(failures.UpstreamUnavailable) as raised:
            await bench.engine.classify(laughter)
        took = time.monotonic() - started
        for exchange in bench.provider.exchanges:
            await asyncio.wait_for(exchange.closed.wait(), 5)
    assert 0.4 <= took < 3
    assert raised.value.details["attempts"] == "2"


@pytest.mark.parametrize("step", [hangs, drips(0.01)], ids=["silence", "a trickle"])
async def test_the_calls_deadline_bounds_everything(opened: Any, laughter: Question, step: Any) -> None:
    async with opened(step, seconds=0.4) as bench:
        started = time.monotonic()
        with pytest.raises(failures.DeadlineExceeded) as raised:
            await bench.engine.classify(laughter)
        assert time.monotonic() - started < 3
        await asyncio.wait_for(bench.provider.exchanges[0].closed.wait(), 5)
    assert raised.value.details["attempts"] == "1"


async def test_nothing_is_sent_when_no_time_is_left(opened: Any, laughter: Question) -> None:
    async with opened(hangs, seconds=0.1) as bench:
        with pytest.raises(failures.WouldMissDeadline):
            await bench.engine.classify(laughter)
        assert bench.requests == 0


async def test_cancelling_the_call_closes_the_request(opened: Any, laughter: Question) -> None:
    async with opened(hangs) as bench:
        call = asyncio.create_task(bench.engine.classify(laughter))
        async with asyncio.timeout(5):
            await bench.provider.asked.wait()
            call.cancel()
            with pytest.raises(asyncio.CancelledError):
                await call
            await bench.provider.exchanges[0].closed.wait()


async def test_the_delay_that_is_asked_for_is_kept(opened: Any, laughter: Question, answer: Answer) -> None:
    async with opened(fails(429, "rate_limit_exceeded", headers={"Retry-After": "0.3"}), says(answer())) as bench:
        started = time.monotonic()
        await bench.engine.classify(laughter)
        assert time.monotonic() - started >= 0.3


async def test_the_delay_in_milliseconds_is_kept(opened: Any, laughter: Question, answer: Answer) -> None:
    async with opened(fails(503, headers={"Retry-After-Ms": "200"}), says(answer())) as bench:
        started = time.monotonic()
        await bench.engine.classify(laughter)
        assert 0.2 <= time.monotonic() - started < 3


@pytest.mark.parametrize("form", ["seconds", "date"])
async def test_a_delay_beyond_the_deadline_is_handed_on_at_once(opened: Any, laughter: Question, form: str) -> None:
    header = "60" if form == "seconds" else formatdate(time.time() + 60, usegmt=True)
    async with opened(fails(429, "rate_limit_exceeded", headers={"Retry-After": header}), seconds=5.0) as bench:
        started = time.monotonic()
        with pytest.raises(failures.UpstreamRateLimited) as raised:
            await bench.engine.classify(laughter)
        assert time.monotonic() - started < 3
        assert bench.requests == 1
    assert 50 < (raised.value.retry_after_seconds or 0) <= 60


async def test_one_rate_limit_holds_all_calls_back(opened: Any, laughter: Question, answer: Answer) -> None:
    limited = fails(429, "rate_limit_exceeded", headers={"Retry-After": "60"})
    async with opened(limited, says(answer()), seconds=5.0) as bench:
        with pytest.raises(failures.UpstreamRateLimited):
            await bench.engine.classify(laughter)
        with pytest.raises(failures.UpstreamRateLimited):
            await bench.engine.classify(laughter)
        assert bench.requests == 1


async def test_no_more_requests_at_once_than_allowed(opened: Any, laughter: Question, answer: Answer) -> None:
    async with opened(says(answer()), pace=Pace(concurrent=2)) as bench:
        await asyncio.gather(*(bench.engine.classify(laughter) for _ in range(8)))
        assert bench.requests == 8
        assert bench.provider.most_at_once <= 2


async def test_neither_key_nor_summary_nor_the_providers_words_are_told(
    opened: Any, laughter: Question, logs: Any, capfd: pytest.CaptureFixture[str]
) -> None:
    async with opened(fails(401, "invalid_api_key", f"{KEY_IN_WORDS}; you sent: {laughter.summary}")) as bench:
        with pytest.raises(failures.UpstreamAuth) as raised:
            await bench.engine.classify(laughter)
    out, err = capfd.readouterr()
    told = f"{raised.value} {raised.value.details} {logs.text} {out} {err}"
    assert "sk-" not in told
    assert laughter.summary not in told


async def test_an_open_breaker_refuses_without_a_request(opened: Any, laughter: Question) -> None:
    async with opened(fails(500), breaker_failures=3, breaker_seconds=60.0) as bench:
        for _ in range(2):
            with pytest.raises(failures.UpstreamUnavailable) as raised:
                await bench.engine.classify(laughter)
        assert bench.requests == 3
    assert 50 < (raised.value.retry_after_seconds or 0) <= 60

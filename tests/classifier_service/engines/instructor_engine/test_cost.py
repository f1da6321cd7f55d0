"""Usage, prices and budgets."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from fake_openai import completion, fails, hangs, says

from classifier_service.budget import Budget, Limits, Spent
from classifier_service.engines.engine import Question
from classifier_service.prices import read_prices
from vidtomusictags.rpc.failures import AnswerInvalid, BudgetExceeded

Answer = Callable[..., dict[str, Any]]

ONE_ANSWER_USD = (400 * 2.50 + 600 * 1.25 + 100 * 10.00) / 1e6
"""Of gpt-4o, for the usage that the fake provider counts: 1000 tokens of prompt, 600 of them cached, and 100."""


async def test_every_attempt_is_counted_and_priced(opened: Any, laughter: Question, answer: Answer) -> None:
    async with opened(says("no"), says(answer())) as bench:
        answered = await bench.engine.classify(laughter)
        today = bench.budget.today
    usage = answered.usage
    assert (usage.attempts, usage.completion_tokens) == (2, 200)
    assert (usage.prompt_tokens, usage.cached_prompt_tokens) == (2000, 1200)
    assert usage.cost is not None
    assert usage.cost.usd == pytest.approx(2 * ONE_ANSWER_USD)
    assert usage.cost.prices_of == read_prices().as_of
    assert (today.usd, today.tokens) == (pytest.approx(2 * ONE_ANSWER_USD), 2200)


async def test_a_model_without_a_price_has_tokens_but_no_cost(opened: Any, laughter: Question, answer: Answer) -> None:
    async with opened(says(answer()), model="openai/our-own") as bench:
        answered = await bench.engine.classify(laughter)
    assert answered.usage.cost is None
    assert answered.usage.prompt_tokens == 1000


async def test_a_failure_tells_what_it_cost(opened: Any, laughter: Question) -> None:
    async with opened(says("no"), reasks=1) as bench:
        with pytest.raises(AnswerInvalid) as raised:
            await bench.engine.classify(laughter)
    assert raised.value.details["prompt_tokens"] == "2000"
    assert float(raised.value.details["usd"]) == pytest.approx(2 * ONE_ANSWER_USD)


async def test_a_budget_a_call_refuses_before_anything_is_sent(opened: Any, laughter: Question, answer: Answer) -> None:
    async with opened(says(answer()), budget=Limits(usd_per_call=0.0001)) as bench:
        with pytest.raises(BudgetExceeded) as raised:
            await bench.engine.classify(laughter)
        assert bench.requests == 0
    assert raised.value.details["period"] == "call"
    assert raised.value.details["attempts"] == "0"
    assert raised.value.retry_after_seconds is None


async def test_a_budget_a_call_stops_the_re_asks(opened: Any, laughter: Question) -> None:
    async with opened(says("no"), budget=Limits(tokens_per_call=4_000), max_output_tokens=100) as bench:
        with pytest.raises(BudgetExceeded) as raised:
            await bench.engine.classify(laughter)
        assert 1 <= bench.requests <= 3
        assert raised.value.details["attempts"] == str(bench.requests)


async def test_a_budget_a_day_is_kept_over_calls_and_freed_at_midnight(
    opened: Any, laughter: Question, answer: Answer
) -> None:
    async with opened(says(answer()), budget=Limits(usd_per_day=0.03)) as bench:
        answered = 0
        with pytest.raises(BudgetExceeded) as raised:
            for _ in range(100):
                await bench.engine.classify(laughter)
                answered += 1
        assert raised.value.details["period"] == "day"
        assert bench.budget.today.usd <= 0.03
        assert bench.requests == answered >= 1
        bench.budget._now = lambda: datetime.now(UTC) + timedelta(days=1)
        await bench.engine.classify(laughter)


async def test_requests_at_the_same_time_cannot_overspend_together(
    opened: Any, laughter: Question, answer: Answer
) -> None:
    async with opened(says(answer()), budget=Limits(tokens_per_day=6_000)) as bench:
        results = await asyncio.gather(*(bench.engine.classify(laughter) for _ in range(10)), return_exceptions=True)
        assert any(isinstance(result, BudgetExceeded) for result in results)
        assert bench.budget.today.tokens <= 6_000


async def test_a_request_that_failed_is_not_charged(opened: Any, laughter: Question, answer: Answer) -> None:
    async with opened(fails(401)) as bench:
        with pytest.raises(Exception, match="key"):
            await bench.engine.classify(laughter)
        assert bench.budget.today == Spent()


async def test_a_request_that_a_caller_left_is_charged_in_full(opened: Any, laughter: Question) -> None:
    async with opened(hangs) as bench:
        call = asyncio.create_task(bench.engine.classify(laughter))
        await bench.provider.asked.wait()
        call.cancel()
        with pytest.raises(asyncio.CancelledError):
            await call
        assert bench.budget.today.usd > ONE_ANSWER_USD


async def test_a_provider_that_counts_nothing_is_charged_by_the_estimate(
    opened: Any, laughter: Question, answer: Answer
) -> None:
    async def uncounted(exchange: Any) -> None:
        await exchange.send(200, {**completion(json.dumps(answer())), "usage": None})

    async with opened(uncounted) as bench:
        answered = await bench.engine.classify(laughter)
        assert bench.budget.today.tokens > 500
    assert answered.usage.prompt_tokens == 0


async def test_a_budget_in_dollars_needs_a_price(opened: Any) -> None:
    with pytest.raises(ValueError, match="price"):
        async with opened(hangs, model="openai/our-own", budget=Limits(usd_per_day=1.0)):
            pass


def test_a_dated_model_costs_what_its_family_costs() -> None:
    prices = read_prices()
    assert prices.price("openai/gpt-4o-2024-08-06") == prices.price("openai/gpt-4o")
    assert prices.price("openai/gpt-4o-mini-2024-07-18") == prices.price("openai/gpt-4o-mini")
    assert prices.price("openai/gpt-4o-audio-preview") is None
    assert prices.price("azure_openai/gpt-4o") is None


HEAD = 'as_of = "2026-01-01"\n[models]\n'
BAD_LISTS = [
    "",
    "as_of = 1",
    'as_of = "soon"\n[models]\n',
    HEAD + "x = { input = -1, output = 1 }",
    HEAD + "x = 1",
    "]",
]


@pytest.mark.parametrize("text", BAD_LISTS)
def test_what_is_no_list_of_prices_is_refused(tmp_path: Path, text: str) -> None:
    path = tmp_path / "prices.toml"
    path.write_text(text)
    with pytest.raises(ValueError, match=r"prices\.toml is not a list of prices"):
        read_prices(path)


def test_a_promise_that_is_settled_gives_the_rest_back() -> None:
    budget, call = Budget(Limits(usd_per_day=1.0)), Spent()
    with budget.promised(0.9, 100, call) as promise:
        assert budget.today.usd == 0.9
        with pytest.raises(BudgetExceeded), budget.promised(0.2, 1, call):
            pass
        promise.settle(0.1, 10)
    assert budget.today.usd == pytest.approx(0.1)
    assert budget.today.tokens == 10
    assert call == Spent(0.1, 10)

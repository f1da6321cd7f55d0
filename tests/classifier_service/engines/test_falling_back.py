"""Engines behind one another."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from classifier_service.engines.engine import Answer, Cost, EngineCard, Question, Usage
from classifier_service.engines.falling_back import FallingBack
from classifier_service.taxonomy import Tag, Taxonomy
from vidtomusictags.rpc import failures

Ask = Callable[..., Question]
PAID = {"attempts": "3", "prompt_tokens": "30", "completion_tokens": "3", "usd": "0.5", "prices_of": "2026-01-01"}


class Engine:
    """Answers, or fails as it is told."""

    def __init__(self, name: str, failure: failures.Failure | None = None) -> None:
        self.card = EngineCard("scripted", name, "1")
        self.failure = failure
        self.asked = 0
        self.closed = False
        self.prepared: list[str] = []

    async def prepare(self, taxonomy: Taxonomy) -> None:
        self.prepared.append(taxonomy.id)

    async def classify(self, question: Question) -> Answer:
        self.asked += 1
        if self.failure:
            raise self.failure
        return Answer((), (), self.card.model, Usage(1, 10, 0, 1, Cost(0.25, "2026-01-01")))

    async def close(self) -> None:
        self.closed = True


async def test_the_first_that_answers_answers_alone(ask: Ask) -> None:
    first, second = Engine("first"), Engine("second")
    answer = await FallingBack([first, second]).classify(ask("A dog."))
    assert (answer.reasoning, answer.passed_over, answer.made_by, answer.warnings) == ("first", (), None, ())
    assert second.asked == 0


async def test_those_who_stand_in_are_prepared_before_they_are_needed() -> None:
    engines = [Engine("first"), Engine("second")]
    await FallingBack(engines).prepare(Taxonomy("house", "1.0.0", tags=(Tag("a", "A"),)))
    assert [engine.prepared for engine in engines] == [["house"], ["house"]]


async def test_the_next_says_for_whom_it_answers_and_what_both_cost(ask: Ask) -> None:
    first = Engine("first", failures.UpstreamRateLimited("no", details=PAID))
    engine = FallingBack([first, Engine("second")])
    answer = await engine.classify(ask("A dog."))
    assert answer.made_by == EngineCard("scripted", "second", "1")
    assert [(one.model, one.reason) for one in answer.passed_over] == [("first", "UPSTREAM_RATE_LIMITED")]
    assert answer.usage == Usage(4, 40, 0, 4, Cost(0.75, "2026-01-01"))
    assert "second answered in place of first (UPSTREAM_RATE_LIMITED)" in answer.warnings[0]
    assert engine.card.model == "first"


NO_OTHER = [failures.ContentRefused, failures.InvalidRequest, failures.RequiredFacetEmpty, failures.SummaryInvalid]


@pytest.mark.parametrize("kind", NO_OTHER)
async def test_what_no_other_engine_mends_is_told_at_once(ask: Ask, kind: type[failures.Failure]) -> None:
    second = Engine("second")
    with pytest.raises(kind):
        await FallingBack([Engine("first", kind("no")), second]).classify(ask("A dog."))
    assert second.asked == 0


async def test_where_all_fail_the_last_failure_tells_of_the_others(ask: Ask) -> None:
    engines = [Engine("first", failures.UpstreamAuth("no")), Engine("second", failures.UpstreamQuota("no"))]
    with pytest.raises(failures.UpstreamQuota) as raised:
        await FallingBack(engines).classify(ask("A dog."))
    assert raised.value.details["passed_over"] == "first:UPSTREAM_AUTH"


async def test_all_are_closed() -> None:
    engines = [Engine("first"), Engine("second")]
    await FallingBack(engines).close()
    assert all(engine.closed for engine in engines)

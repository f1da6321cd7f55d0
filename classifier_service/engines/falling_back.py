"""Asks engines in their order until one can answer, and says in the answer which one did and why."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import structlog

from classifier_service.engines.engine import (
    Answer,
    ClassificationEngine,
    Cost,
    EngineCard,
    PassedOver,
    Question,
    Usage,
)
from classifier_service.taxonomy import Taxonomy
from vidtomusictags.rpc import failures
from vidtomusictags.rpc.failures import Failure

log = structlog.get_logger()

RESERVE_SECONDS = 5.0
"""Of a call, kept back from every engine but the last: a provider that hangs must leave time for who stands in."""

_WORTH_ANOTHER = (
    failures.UpstreamUnavailable,
    failures.UpstreamRateLimited,
    failures.UpstreamQuota,
    failures.UpstreamAuth,
    failures.UpstreamRejected,
    failures.BudgetExceeded,
    failures.ContextLengthExceeded,
    failures.AnswerInvalid,
    failures.DeadlineExceeded,
    failures.WouldMissDeadline,
)
"""Failures of an engine or its provider. What the question itself causes no other engine mends; and a refusal of
content is an answer that is not to be shopped around for. A deadline here is the one that leaves RESERVE_SECONDS."""


class FallingBack:
    """An engine made of several, the first of which is meant to answer. Owns them all."""

    def __init__(self, engines: Sequence[ClassificationEngine]) -> None:
        self._engines = tuple(engines)

    @property
    def card(self) -> EngineCard:
        """That of the engine which is meant to answer; an answer by another one carries its own."""
        return self._engines[0].card

    async def prepare(self, taxonomy: Taxonomy) -> None:
        """Prepares them all: whoever has to stand in is asked at once, and in a crowd."""
        for engine in self._engines:
            await engine.prepare(taxonomy)

    async def classify(self, question: Question) -> Answer:
        """The first answer that can be had. Raises the failure of the last engine, or one that no other would mend."""
        passed: list[PassedOver] = []
        for engine in self._engines[:-1]:
            try:
                return _told(await engine.classify(question), engine.card, passed)
            except _WORTH_ANOTHER as failure:
                passed.append(PassedOver(engine.card.engine, engine.card.model, failure.reason, _paid(failure)))
                log.warning("fell_back", engine=engine.card.engine, model=engine.card.model, reason=failure.reason)
        last = self._engines[-1]
        try:
            return _told(await last.classify(question), last.card, passed)
        except Failure as failure:
            failure.details["passed_over"] = ",".join(f"{one.model}:{one.reason}" for one in passed)
            raise

    async def close(self) -> None:
        """Closes them all."""
        for engine in self._engines:
            await engine.close()


def _told(answer: Answer, card: EngineCard, passed: Sequence[PassedOver]) -> Answer:
    if not passed:
        return answer
    before = ", ".join(f"{one.model} ({one.reason})" for one in passed)
    warning = f"{card.engine} {card.model} answered in place of {before}."
    usage = answer.usage
    for one in passed:
        usage = usage + one.usage
    return replace(answer, made_by=card, passed_over=tuple(passed), warnings=(*answer.warnings, warning), usage=usage)


def _paid(failure: Failure) -> Usage:
    """What the attempts of an engine cost that gave no answer, as its failure tells it."""
    told = failure.details
    return Usage(
        attempts=int(told.get("attempts", 0)),
        prompt_tokens=int(told.get("prompt_tokens", 0)),
        completion_tokens=int(told.get("completion_tokens", 0)),
        cost=Cost(float(told["usd"]), told["prices_of"]) if "usd" in told else None,
    )

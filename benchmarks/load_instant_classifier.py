"""Classification engines that cost next to nothing, for measuring what surrounds an engine."""

from __future__ import annotations

import asyncio

from classifier_service.engines.engine import Answer, EngineCard, Question, ScoredTag, Span
from classifier_service.taxonomy import Taxonomy

WAIT_SECONDS = 1.0


class InstantEngine:
    """Finds the first allowed tag in everything, quotes the summary's first word, and reads nothing."""

    card = EngineCard(engine="instant", model="instant", revision="1")

    async def prepare(self, taxonomy: Taxonomy) -> None:
        """See `ClassificationEngine`."""

    async def classify(self, question: Question) -> Answer:
        """See `ClassificationEngine`."""
        word = question.summary.split(maxsplit=1)[0]
        start = question.summary.index(word)
        evidence = (Span(start, start + len(word), word),)
        return Answer([ScoredTag(min(question.allowed), 0.5, 0.5, evidence)], [], "Nothing was read.")

    async def close(self) -> None:
        """Nothing to let go of."""


class WaitingEngine(InstantEngine):
    """Answers after a second, as a language model elsewhere does, which costs no processor meanwhile."""

    card = EngineCard(engine="waiting", model="waiting", revision="1")

    async def classify(self, question: Question) -> Answer:
        """See `ClassificationEngine`."""
        await asyncio.sleep(WAIT_SECONDS)
        return await super().classify(question)

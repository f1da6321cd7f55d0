"""What every classification engine is: asked one question, it answers with tags and says why."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Protocol

from classifier_service.calibration import Calibration
from classifier_service.taxonomy import Taxonomy


@dataclass(frozen=True)
class Span:
    """A verbatim piece of the summary: text == summary[start:end], in characters."""

    start: int
    end: int
    text: str


@dataclass(frozen=True)
class Statement:
    """What one span of the summary speaks of, told by whoever wrote it; kinds as in media.v1.StatementKind."""

    start: int
    end: int
    kind: str
    """"content", "setting", "look", "motion" or "unknown"; only the first two bear on tags."""
    certainty: float


@dataclass(frozen=True)
class Question:
    """A summary to be tagged.

    allowed: ids of the tags that may be returned (the caller's include and exclude already applied).
    min_confidence: at or above it a tag may be returned; None: the tag's own threshold or the engine's default.
    calibration: what the first estimates of the engine that is asked are worth, where that was measured.
    parts: questions about the segments that make up the summary; an engine that can answer all of them at once does.
    """

    summary: str
    taxonomy: Taxonomy
    allowed: frozenset[str]
    max_tags: int
    min_confidence: float | None = None
    statements: Sequence[Statement] = ()
    calibration: Calibration | None = None
    parts: Sequence[Question] = ()


@dataclass(frozen=True)
class ScoredTag:
    """A tag that fits. confidence: 0 to 1, calibrated where the engine can; raw_confidence: as first estimated."""

    id: str
    confidence: float
    raw_confidence: float
    evidence: Sequence[Span] = ()


@dataclass(frozen=True)
class Cost:
    """An estimate in US dollars by a price list. prices_of: the date of that list, ISO 8601."""

    usd: float
    prices_of: str


@dataclass(frozen=True)
class Usage:
    """What the answer cost, all attempts together. cost: None where nothing is paid for, or no price is known."""

    attempts: int = 1
    prompt_tokens: int = 0
    cached_prompt_tokens: int = 0
    completion_tokens: int = 0
    cost: Cost | None = None

    def __add__(self, other: Usage) -> Usage:
        """Both together."""
        costs = [cost for cost in (self.cost, other.cost) if cost]
        return Usage(
            attempts=self.attempts + other.attempts,
            prompt_tokens=self.prompt_tokens + other.prompt_tokens,
            cached_prompt_tokens=self.cached_prompt_tokens + other.cached_prompt_tokens,
            completion_tokens=self.completion_tokens + other.completion_tokens,
            cost=Cost(sum(cost.usd for cost in costs), costs[0].prices_of) if costs else None,
        )


@dataclass(frozen=True)
class Shortlist:
    """Tags that were put before the model instead of all that are allowed. by: what chose them, with its revision."""

    tags: int
    out_of: int
    by: str


@dataclass(frozen=True)
class EngineCard:
    """What answers."""

    engine: str
    model: str
    revision: str
    prompt: str = ""
    """Name and version of the prompt, `name@version`; empty where there is none."""
    capabilities: Sequence[str] = ()
    """What of the model's optional abilities is in use, such as `strict_schema`."""


@dataclass(frozen=True)
class PassedOver:
    """An engine that should have answered and could not. reason: that of its failure. usage: what that cost."""

    engine: str
    model: str
    reason: str
    usage: Usage = Usage(attempts=0)


@dataclass(frozen=True)
class Answer:
    """Tags by falling confidence; none is an answer too. key_information: verbatim pieces of the summary.

    without_suitable_tag: ids of the facets of which the engine says that no tag fits; "" stands for a flat taxonomy.
    scores: every allowed tag that was scored, by falling confidence, returned or not. calibration: the id of the one
    that was applied, empty without one.
    parts: one answer for each of the question's parts; none where the engine answers one question at a time. What they
    cost is in the usage of the whole.
    made_by: None where the engine that was asked made it itself. passed_over: engines that were tried before.
    """

    tags: Sequence[ScoredTag]
    key_information: Sequence[str]
    reasoning: str
    usage: Usage = field(default_factory=Usage)
    warnings: Sequence[str] = ()
    without_suitable_tag: Sequence[str] = ()
    shortlist: Shortlist | None = None
    made_by: EngineCard | None = None
    passed_over: Sequence[PassedOver] = ()
    scores: Sequence[ScoredTag] = ()
    calibration: str = ""
    parts: Sequence[Answer] = ()


class ClassificationEngine(Protocol):
    """Answers questions. Engines that compute do so off the event loop, in a thread of their own."""

    @property
    def card(self) -> EngineCard: ...

    async def prepare(self, taxonomy: Taxonomy) -> None:
        """Does beforehand what the first question about this taxonomy would wait for."""
        ...

    async def classify(self, question: Question) -> Answer:
        """Raises a Failure for what it cannot answer; never returns a tag outside `question.allowed`."""
        ...

    async def close(self) -> None: ...

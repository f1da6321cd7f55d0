"""The classifier's work, apart from any wire: checks what is asked, asks the engine, checks what it answers."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Sequence
from dataclasses import dataclass, field, replace

import structlog

from classifier_service.allowed_tags import allowed_tags
from classifier_service.calibration import Calibrations
from classifier_service.engines.calibrated import calibration_key
from classifier_service.engines.engine import (
    Answer,
    ClassificationEngine,
    EngineCard,
    Question,
    Statement,
    Usage,
)
from classifier_service.facets import FacetAnswer, facet_answers
from classifier_service.summaries import JoinedSegments, Segment, check_summary
from classifier_service.taxonomy import Taxonomy
from classifier_service.verifying import verify
from vidtomusictags.rpc.failures import Failure, InvalidRequest
from vidtomusictags.rpc.tracing import NO_TRACER, Attributes, Tracer

DEFAULT_MAX_TAGS = 10
MAX_TAGS = 100
_COSTS = ("attempts", "prompt_tokens", "completion_tokens", "usd")


@dataclass(frozen=True)
class Wanted:
    """What may be returned. include, exclude: ids of tags or facets. min_confidence: None for the tags' own."""

    include: Sequence[str] = ()
    exclude: Sequence[str] = ()
    max_tags: int = DEFAULT_MAX_TAGS
    min_confidence: float | None = None
    all_scores: bool = False
    """Whether the scores of tags that are not returned are wanted too."""

    def __post_init__(self) -> None:
        """Raises InvalidRequest, naming the field."""
        if not 1 <= self.max_tags <= MAX_TAGS:
            raise InvalidRequest(f"max_tags must be 1 to {MAX_TAGS}.", field="options.max_tags")
        if self.min_confidence is not None and not 0 <= self.min_confidence <= 1:  # NaN fails this too
            raise InvalidRequest("min_confidence must be 0 to 1.", field="options.min_confidence")


@dataclass(frozen=True)
class Classified:
    """An answer, with the taxonomy it is about, the wall-clock time the engine took, and what became of each facet."""

    answer: Answer
    taxonomy: Taxonomy
    seconds: float
    facets: Sequence[FacetAnswer] = ()


@dataclass(frozen=True)
class ClassifiedSegments:
    """The answer about the whole, whose evidence lies in `joined`, and one about each segment, in order."""

    whole: Classified
    joined: JoinedSegments
    segments: Sequence[Classified] = field(default_factory=tuple)


class Classifier:
    """Says which tags of a taxonomy fit a summary."""

    def __init__(
        self, engine: ClassificationEngine, calibrations: Calibrations | None = None, tracer: Tracer = NO_TRACER
    ) -> None:
        self._engine = engine
        self._tracer = tracer
        self._calibrations = calibrations or Calibrations()

    @property
    def engine(self) -> ClassificationEngine:
        """What answers."""
        return self._engine

    def calibration_for(self, taxonomy: Taxonomy) -> str:
        """The id of the calibration that answers about a taxonomy are made with; empty without one."""
        calibration = self._calibrations.find(calibration_key(taxonomy, self._engine.card))
        return calibration.id if calibration else ""

    async def classify(
        self, summary: str, taxonomy: Taxonomy, wanted: Wanted, statements: Sequence[Statement] = ()
    ) -> Classified:
        """The tags of one text.

        Raises SummaryInvalid, UnknownTag, InvalidRequest, AnswerInvalid, and what the engine raises.
        """
        check_summary(summary, statements)
        classified = await self._ask(_question(summary, taxonomy, wanted, statements), wanted)
        self._note([classified.answer])
        return classified

    async def classify_segments(
        self, segments: Sequence[Segment], taxonomy: Taxonomy, wanted: Wanted
    ) -> ClassifiedSegments:
        """The tags of each segment and of all together. Raises what `classify` raises."""
        joined = JoinedSegments(segments)
        parts = [_question(segment.text, taxonomy, wanted, segment.statements) for segment in segments]
        question = replace(_question(joined.text, taxonomy, wanted, joined.statements), parts=tuple(parts))
        whole = await self._ask(question, wanted)
        if whole.answer.parts:
            made_by, calibration = whole.answer.made_by, whole.answer.calibration
            answers = [replace(one, made_by=made_by, calibration=calibration) for one in whole.answer.parts]
            each = [_checked(one, part, wanted, 0.0) for one, part in zip(answers, parts, strict=True)]
        else:
            each = await self._ask_each(parts, wanted)
        self._note([one.answer for one in (whole, *each)])
        return ClassifiedSegments(whole, joined, each)

    async def _ask_each(self, questions: Sequence[Question], wanted: Wanted) -> list[Classified]:
        try:
            async with asyncio.TaskGroup() as group:  # one that fails ends the others, which may cost money
                tasks = [group.create_task(self._ask(question, wanted)) for question in questions]
        except ExceptionGroup as failed:
            raise failed.exceptions[0] from None
        return [task.result() for task in tasks]

    async def _ask(self, question: Question, wanted: Wanted) -> Classified:
        started = time.monotonic()
        try:
            with self._tracer.span("tag") as span:
                answer = await self._engine.classify(question)
                span.set(_attributes(answer, self._engine.card))
        except Failure as failure:  # what it cost all the same goes into the log line, too
            structlog.contextvars.bind_contextvars(**{k: v for k, v in failure.details.items() if k in _COSTS})
            raise
        return _checked(answer, question, wanted, time.monotonic() - started)

    def _note(self, answers: Sequence[Answer]) -> None:
        """What an answer cost goes into the one line that the call leaves in the log."""
        usage = sum((answer.usage for answer in answers), Usage(attempts=0))
        facts: dict[str, object] = {
            "engine": (answers[0].made_by or self._engine.card).engine,
            "attempts": usage.attempts,
            "prompt_tokens": usage.prompt_tokens,
            "cached_prompt_tokens": usage.cached_prompt_tokens,
            "completion_tokens": usage.completion_tokens,
        }
        if usage.cost:
            facts["usd"] = usage.cost.usd
        structlog.contextvars.bind_contextvars(**facts)


def _question(summary: str, taxonomy: Taxonomy, wanted: Wanted, statements: Sequence[Statement]) -> Question:
    return Question(
        summary=summary,
        taxonomy=taxonomy,
        allowed=allowed_tags(taxonomy, wanted.include, wanted.exclude),
        max_tags=wanted.max_tags,
        min_confidence=wanted.min_confidence,
        statements=statements,
    )


def _attributes(answer: Answer, card: EngineCard) -> Attributes:
    """What the span of an answer says of it: what it cost, and nothing of what it says."""
    made_by = answer.made_by or card
    return {
        "gen_ai.request.model": made_by.model,
        "gen_ai.usage.input_tokens": answer.usage.prompt_tokens,
        "gen_ai.usage.output_tokens": answer.usage.completion_tokens,
        "vidtags.engine": made_by.engine,
        "vidtags.attempts": answer.usage.attempts,
        "vidtags.tags": len(answer.tags),
    }


def _checked(answer: Answer, question: Question, wanted: Wanted, seconds: float) -> Classified:
    verify(answer, question)
    if not wanted.all_scores:
        answer = replace(answer, scores=())
    return Classified(answer, question.taxonomy, seconds, facet_answers(answer, question))

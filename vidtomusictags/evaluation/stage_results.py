"""What the two stages give for one clip, as plain values that can be stored and read back."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any, NamedTuple, Protocol

from vidtomusictags.evaluation.score_row import Score, ScoreRow


class Statement(NamedTuple):
    """What text[start:end] of a summary speaks of; kinds as in media.v1.StatementKind."""

    start: int
    end: int
    kind: str
    certainty: float


@dataclass(frozen=True)
class Picture:
    """A sampled frame, small, to be looked at. jpeg: base64 of a JPEG file."""

    seconds: float
    jpeg: str


@dataclass(frozen=True)
class Summary:
    """A clip, described; or a ready summary, which cost nothing and has no pictures. seconds: wall-clock time."""

    text: str
    statements: Sequence[Statement] = ()
    pictures: Sequence[Picture] = ()
    seconds: float = 0.0
    prompt_tokens: int = 0
    completion_tokens: int = 0


@dataclass(frozen=True)
class Returned:
    """A tag that was returned. evidence: (start, end, quote) of spans of the summary."""

    id: str
    confidence: float
    evidence: Sequence[tuple[int, int, str]] = ()


@dataclass(frozen=True)
class Answer:
    """A summary, tagged. scores: of every tag that was scored. usd: None where no cost was told."""

    returned: Sequence[Returned]
    scores: Mapping[str, Score]
    reasoning: str = ""
    seconds: float = 0.0
    attempts: int = 1
    prompt_tokens: int = 0
    completion_tokens: int = 0
    usd: float | None = None
    warnings: Sequence[str] = ()


class StageFailed(Exception):
    """A stage cannot serve one clip. reason: stable name; fatal: no other clip will fare better."""

    def __init__(self, message: str, *, reason: str, fatal: bool = False) -> None:
        super().__init__(message)
        self.message = message
        self.reason = reason
        self.fatal = fatal


@dataclass(frozen=True)
class Identity:
    """What does a stage's work: equal identities and inputs give equal results, unless a model rolls dice.

    facts: names and versions of engine, model, prompt, taxonomy and so on.
    """

    stage: str
    facts: Mapping[str, Any] = field(default_factory=dict)


class Captioner(Protocol):
    """The first stage. Called from several threads at once."""

    @property
    def identity(self) -> Identity: ...

    def describe(self, clip: str) -> Summary:
        """Raises StageFailed."""
        ...


class Classifier(Protocol):
    """The second stage. Called from several threads at once."""

    @property
    def identity(self) -> Identity: ...

    def classify(self, summary: Summary) -> Answer:
        """Raises StageFailed."""
        ...


def summary_to_dict(summary: Summary) -> dict[str, Any]:
    """In JSON's own types."""
    return asdict(summary) | {"statements": [list(statement) for statement in summary.statements]}


def summary_from_dict(content: Mapping[str, Any]) -> Summary:
    """The inverse of `summary_to_dict`."""
    return Summary(
        **{
            **content,
            "statements": tuple(Statement(*statement) for statement in content["statements"]),
            "pictures": tuple(Picture(**picture) for picture in content["pictures"]),
        }
    )


def answer_to_dict(answer: Answer) -> dict[str, Any]:
    """In JSON's own types."""
    returned = [asdict(tag) for tag in answer.returned]
    scores = {tag: list(answer.scores[tag]) for tag in sorted(answer.scores)}
    return {**vars(answer), "returned": returned, "scores": scores, "warnings": list(answer.warnings)}


def answer_from_dict(content: Mapping[str, Any]) -> Answer:
    """The inverse of `answer_to_dict`."""
    returned = tuple(
        Returned(tag["id"], tag["confidence"], tuple((start, end, quote) for start, end, quote in tag["evidence"]))
        for tag in content["returned"]
    )
    scores = ScoreRow(content["scores"])
    return Answer(**{**content, "returned": returned, "scores": scores, "warnings": tuple(content["warnings"])})

"""Summaries as they come in: checked, and those of segments joined to one text that knows where each piece lies."""

from __future__ import annotations

import unicodedata
from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass, replace

from classifier_service.engines.engine import Span, Statement
from vidtomusictags.rpc.failures import InvalidRequest, SummaryInvalid

MAX_CHARACTERS = 20_000
MAX_SEGMENTS = 256
MAX_CHARACTERS_OF_SEGMENTS = 100_000
_JOINT = "\n"


@dataclass(frozen=True)
class Segment:
    """One stretch of a video, described. Times in seconds; None where the caller left one open."""

    text: str
    start_seconds: float | None = None
    end_seconds: float | None = None
    statements: Sequence[Statement] = ()


def check_summary(text: str, statements: Sequence[Statement] = (), *, field: str = "summary") -> None:
    """Raises SummaryInvalid for what is no text of a fitting length, InvalidRequest for statements outside of it."""
    if not text.strip():
        raise SummaryInvalid("The summary is empty; send what the video shows, in words.", field=field)
    if len(text) > MAX_CHARACTERS:
        raise SummaryInvalid(
            f"The summary has {len(text)} characters; send at most {MAX_CHARACTERS}, or segments.", field=field
        )
    if any(unicodedata.category(character) == "Cc" and character not in "\t\n\r" for character in text):
        raise SummaryInvalid("The summary holds control characters; send plain text.", field=field)
    before = 0
    for statement in statements:
        if not before <= statement.start < statement.end <= len(text) or not 0 <= statement.certainty <= 1:
            raise InvalidRequest(
                "A statement must lie within the summary, after the one before it, and have a certainty of 0 to 1.",
                field="statements",
            )
        before = statement.end


class JoinedSegments:
    """The texts of segments as one; raises SummaryInvalid or InvalidRequest where they cannot be used."""

    def __init__(self, segments: Sequence[Segment]) -> None:
        if not 1 <= len(segments) <= MAX_SEGMENTS:
            raise InvalidRequest(f"There must be 1 to {MAX_SEGMENTS} segments.", field="segments.segments")
        if sum(len(segment.text) for segment in segments) > MAX_CHARACTERS_OF_SEGMENTS:
            raise SummaryInvalid(
                f"The segments together have more than {MAX_CHARACTERS_OF_SEGMENTS} characters; send fewer at a time.",
                field="segments.segments",
            )
        self._starts: list[int] = []
        statements: list[Statement] = []
        start = 0
        for position, segment in enumerate(segments):
            check_summary(segment.text, segment.statements, field=f"segments.segments[{position}].text")
            self._starts.append(start)
            statements += [replace(s, start=s.start + start, end=s.end + start) for s in segment.statements]
            start += len(segment.text) + len(_JOINT)
        self.text = _JOINT.join(segment.text for segment in segments)
        self.statements = tuple(statements) if all(segment.statements for segment in segments) else ()

    def place(self, span: Span) -> tuple[int, Span]:
        """The position of the segment that a span of the joined text begins in, and the span within its text."""
        position = bisect_right(self._starts, span.start) - 1
        offset = self._starts[position]
        return position, Span(span.start - offset, span.end - offset, span.text)

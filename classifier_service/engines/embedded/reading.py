"""Reads a summary: its sentences and clauses, and which of their characters say what the video is about."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import islice

from classifier_service.engines.embedded.negation import denied
from classifier_service.engines.engine import Statement

MAX_SENTENCES = 64
MAX_SENTENCE_CHARACTERS = 400
"""A longer sentence is read as several, cut at a space where there is one."""
KINDS_THAT_BEAR_ON_TAGS = frozenset({"content", "setting"})
"""Of statements; looks and motion resemble some tags for no good reason."""

_SENTENCE_END = re.compile(
    r"(?<!\bMr)(?<!\bMrs)(?<!\bDr)(?<!\bSt)(?<!\be\.g)(?<!\bi\.e)[.!?;\u2026]+[\"')\]]*\s+"
    r"|[\u3002\uff01\uff1f\uff1b]+|\s*\n\s*"
)
_LEAD_IN = re.compile(
    r"(?:in\s+(?:the|this)\s+(?:video|clip|footage|film|scene)\b[\s,]*)?"
    r"(?:(?:the|this)\s+(?:video|clip|footage|film|scene|setting)\s+"
    r"(?:(?:possibly|also|is|appears\s+to\s+be|begins\s+with|opens\s+with|ends\s+with|starts\s+with|shows?|captures?|depicts?"
    r"|displays?|features?|contains?|follows?|presents?|portrays?|showcases?)\s+)*)?"
    r"(?:we\s+(?:can\s+)?see\s+|it\s+also\s+contains\s+)?",
    re.IGNORECASE,
)
"""Boilerplate before the content: it dominates the similarity of short texts and says nothing."""
_ABOUT_THE_PICTURE = re.compile(
    r"(?:the|its|overall,?\s+the)\s+(?:picture|image|lighting|camera|camerawork|pace|pacing|framing|editing|shot|(?:footage|video|image|"
    r"picture)\s+quality|colou?r\s+(?:palette|grading))\b|it\s+is\s+framed\b|the\s+scene\s+appears\s+to\s+be\b",
    re.IGNORECASE,
)
_HEDGED = re.compile(
    r"the\s+(?:video|clip|footage|scene)\s+(?:possibly|perhaps|may|might)\b|what\s+the\s+(?:video|clip|footage)\s+shows\s+could\s+not\b"
    r"|(?:possibly|perhaps|maybe)\b",
    re.IGNORECASE,
)
_CLAUSE_BREAK = re.compile(r"\s*;\s*|,\s+(?:and|but|then|where|which)\s+")
_LONG_CLAUSE_WORDS = 16
_PLAIN_QUOTES = str.maketrans("\u2018\u2019\u201c\u201d", "''\"\"")
"""One character for one, so that offsets hold."""


@dataclass(frozen=True)
class Passage:
    """A sentence, or a statement of the summary's writer.

    start, end: where it stands in the summary, in characters.
    content: the pieces of it that are scored; none for a sentence about the picture, a guess or a denial.
    clauses: verbatim pieces that can stand for it as evidence or key information.
    certainty: how sure the writer was, 0 to 1.
    """

    start: int
    end: int
    content: Sequence[tuple[int, int]]
    clauses: Sequence[tuple[int, int]]
    certainty: float = 1.0


@dataclass(frozen=True)
class Reading:
    """What was read. characters_left_out: those after the last sentence that was read."""

    passages: Sequence[Passage]
    characters_left_out: int = 0


def read(summary: str, statements: Sequence[Statement] = ()) -> Reading:
    """The passages of a summary in the order of the text, at most MAX_SENTENCES.

    With statements, they alone say what is content; without, the wording decides.
    """
    summary = summary.translate(_PLAIN_QUOTES)
    sentences = _stated(summary, statements) if statements else _sentences(summary)
    passages = []
    for start, end, certainty in islice(sentences, MAX_SENTENCES):
        opening = start + _length(_LEAD_IN, summary, start, end)
        scored = bool(statements) or not (
            _ABOUT_THE_PICTURE.match(summary, start, end) or _HEDGED.match(summary, start, end)
        )
        content = _without(denied(summary, start, end), opening, end) if scored and certainty > 0 else []
        content = [(low, high) for low, high in content if any(c.isalnum() for c in summary[low:high])]
        passages.append(Passage(start, end, content, list(_clauses(summary, opening, end)), certainty))
    left_out = len(summary) - passages[-1].end if next(sentences, None) else 0
    return Reading(tuple(passages), left_out)


def _stated(summary: str, statements: Sequence[Statement]) -> Iterator[tuple[int, int, float]]:
    for statement in sorted(statements, key=lambda statement: statement.start):
        certainty = statement.certainty if statement.kind in KINDS_THAT_BEAR_ON_TAGS else 0.0
        for start, end, _ in _sentences(summary[: max(0, statement.end)], max(0, statement.start)):
            yield start, end, certainty


def _sentences(text: str, position: int = 0) -> Iterator[tuple[int, int, float]]:
    while position < len(text):
        limit = min(len(text), position + MAX_SENTENCE_CHARACTERS)
        following = limit
        if match := _SENTENCE_END.search(text, position, limit):
            following = match.end()
        elif limit < len(text) and (space := text.rfind(" ", position + 1, limit)) > position:
            following = space
        piece = text[position:following]
        start = position + len(piece) - len(piece.lstrip())
        end = position + len(piece.rstrip())
        if end > start:
            yield start, end, 1.0
        position = following


def _clauses(text: str, start: int, end: int) -> Iterator[tuple[int, int]]:
    """Long sentences are cut only where both sides can stand alone.

    A subordinate clause (before, after, while ...) is never cut out: by itself it may assert what the summary does not.
    """
    cuts = [(start, start)]
    if len(text[start:end].split()) > _LONG_CLAUSE_WORDS:
        cuts += [match.span() for match in _CLAUSE_BREAK.finditer(text, start, end)]
    for (_, low), (high, _) in zip(cuts, [*cuts[1:], (end, end)], strict=True):
        trimmed = text[low:high].rstrip(" .!?;,\u2026")
        if trimmed.strip():
            yield low, low + len(trimmed)


def _without(removed: Sequence[tuple[int, int]], start: int, end: int) -> list[tuple[int, int]]:
    kept = []
    for low, high in removed:
        kept.append((start, max(start, low)))
        start = max(start, high)
    return [(low, high) for low, high in [*kept, (start, end)] if high > low]


def _length(pattern: re.Pattern[str], text: str, start: int, end: int) -> int:
    match = pattern.match(text, start, end)
    return match.end() - start if match else 0

"""Finds what a model quotes in the summary that it quotes from."""

from __future__ import annotations

import unicodedata
from collections.abc import Collection

from classifier_service.engines.engine import Span

_MARKS = frozenset("\"'`\u00b4\u201c\u201d\u201e\u201f\u2018\u2019\u201a\u201b\u00ab\u00bb\u2039\u203a")
_ENDS = "\u2026.,;:!?-\u2013\u2014*[]() "
_LEAST_LETTERS = 2


class QuotedSummary:
    """A summary whose quotes can be found although a model changed blanks, case, hyphens or quotation marks in them.

    What is found is always the summary's own text. A change of any other letter is not forgiven.
    """

    def __init__(self, summary: str, joints: Collection[int] = ()) -> None:
        """joints: places between texts that the summary is made of, which no quote may cross."""
        self._summary = summary
        self._joints = joints
        self._skeleton, self._places = _skeleton(summary)

    def find(self, quote: str) -> Span | None:
        """The first place where the quote stands as whole words; None where it does not, or says next to nothing."""
        wanted, _ = _skeleton(quote.strip(_ENDS + "".join(_MARKS)))
        if sum(character.isalnum() for character in wanted) < _LEAST_LETTERS:
            return None
        position = self._skeleton.find(wanted)
        while position >= 0:
            start, end = self._places[position], self._places[position + len(wanted) - 1] + 1
            if self._is_whole(start, end) and not any(start <= joint < end for joint in self._joints):
                return Span(start, end, self._summary[start:end])
            position = self._skeleton.find(wanted, position + 1)
        return None

    def _is_whole(self, start: int, end: int) -> bool:
        return not (_joins(self._summary[start - 1 : start], self._summary[start : start + 1])) and not (
            _joins(self._summary[end - 1 : end], self._summary[end : end + 1])
        )


def _skeleton(text: str) -> tuple[str, list[int]]:
    """The characters that count, folded, and where each stands in the text."""
    folded: list[str] = []
    places: list[int] = []
    for place, character in enumerate(text):
        if character.isspace() or character in _MARKS or unicodedata.category(character) in ("Cf", "Pd"):
            continue
        for piece in unicodedata.normalize("NFKC", character).casefold():
            if not piece.isspace():
                folded.append(piece)
                places.append(place)
    return "".join(folded), places


def _joins(left: str, right: str) -> bool:
    """Whether two neighbours belong to one word; scripts that write no blanks have no such words."""
    return left.isalnum() and right.isalnum() and not (_is_unspaced(left) or _is_unspaced(right))


def _is_unspaced(character: str) -> bool:
    return ord(character) >= 0x2E80 or 0x0E00 <= ord(character) <= 0x0EFF or 0x1000 <= ord(character) <= 0x109F

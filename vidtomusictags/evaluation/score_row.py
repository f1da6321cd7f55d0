"""The scores of one answer, packed: a hundred thousand answers about a hundred tags would not fit otherwise."""

from __future__ import annotations

from array import array
from collections.abc import Iterator, Mapping
from functools import lru_cache
from typing import NamedTuple


class Score(NamedTuple):
    """How well a tag fits. raw: before calibration."""

    confidence: float
    raw: float


class ScoreRow(Mapping[str, Score]):
    """Tag to score, read only. tags: shared by all answers that score the same tags in the same order.

    numbers: confidence and raw of each tag, one after another, as doubles.
    """

    __slots__ = ("numbers", "tags")

    def __init__(self, scores: Mapping[str, tuple[float, float]]) -> None:
        self.tags = _shared(tuple(scores))
        self.numbers = array("d", [number for score in scores.values() for number in score])

    def __getitem__(self, tag: str) -> Score:
        try:
            place = 2 * self.tags.index(tag)
        except ValueError:
            raise KeyError(tag) from None
        return Score(self.numbers[place], self.numbers[place + 1])

    def __iter__(self) -> Iterator[str]:
        return iter(self.tags)

    def __len__(self) -> int:
        return len(self.tags)


@lru_cache(maxsize=1024)
def _shared(tags: tuple[str, ...]) -> tuple[str, ...]:
    """One and the same tuple for equal ones."""
    return tags

"""One sentence of a summary, with what it is worth, and how its words are joined."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from captioner_service.clip import StatementKind

MEASURED = 1.0
"""Certainty of what was measured or counted in the frames, as against recognised."""


@dataclass(frozen=True)
class Sentence:
    """certainty: from 0 to 1; what it is measured by, the function says that makes the sentence."""

    text: str
    kind: StatementKind
    certainty: float

    def __post_init__(self) -> None:
        object.__setattr__(self, "certainty", round(self.certainty, 3))


def join(words: Sequence[str]) -> str:
    """`a`, `a and b`, `a, b and c`. Takes one word or more."""
    return words[0] if len(words) == 1 else f"{', '.join(words[:-1])} and {words[-1]}"

"""What is wrong with a data set, row by row: nothing is left out of a count without being named here."""

from __future__ import annotations

import enum
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass


class Kind(enum.StrEnum):
    """What is wrong with a row, and what that means for the count."""

    UNREADABLE = "unreadable_row"
    NO_ID = "no_id"
    DUPLICATE_ID = "duplicate_id"
    NO_INPUT = "no_clip_and_no_summary"
    UNLABELLED = "unlabelled"
    BAD_RELEVANCE = "bad_relevance"
    UNKNOWN_TAG = "unknown_tag"
    BAD_SCORE = "bad_score"


CONSEQUENCES: Mapping[Kind, str] = {
    Kind.UNREADABLE: "the row is left out",
    Kind.NO_ID: "the row is left out",
    Kind.DUPLICATE_ID: "the first row of that id counts, the later one is left out",
    Kind.NO_INPUT: "the row counts as a failure: an empty answer",
    Kind.UNLABELLED: "the row is left out, as nothing says what is right",
    Kind.BAD_RELEVANCE: "the label is left out, the row counts",
    Kind.UNKNOWN_TAG: "no run can return it: missed in `micro_recall_with_unknown`, left out of all other metrics",
    Kind.BAD_SCORE: "counts as a confidence of 0",
}


@dataclass(frozen=True)
class Fault:
    """One thing that is wrong. row: its number in the manifest, as people count lines; None where there is none."""

    kind: Kind
    message: str
    row: int | None = None
    id: str = ""

    def __str__(self) -> str:
        where = f"row {self.row}" if self.row is not None else "data set"
        return f"{where}{f' ({self.id})' if self.id else ''}: {self.message}"


def counted(faults: Iterable[Fault]) -> dict[str, int]:
    """How often each kind occurs, by its name."""
    return dict(sorted(Counter(str(fault.kind) for fault in faults).items()))

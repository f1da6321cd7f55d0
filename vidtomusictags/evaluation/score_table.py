"""The answers of a run as arrays: one line a clip, one column a tag."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from vidtomusictags.evaluation.faults import Fault, Kind
from vidtomusictags.evaluation.running import Outcome

Numbers = NDArray[np.float64]
Flags = NDArray[np.bool_]


@dataclass(frozen=True)
class ScoreTable:
    """Answers about the active tags of a taxonomy, in its order.

    confidence, raw: float32 (items, tags), 0 to 1, 0 where a tag was not scored. scored, returned: bool (items, tags).
    answered: bool (items,), False where a clip failed: it counts as an empty answer.
    """

    tags: Sequence[str]
    confidence: NDArray[np.float32]
    raw: NDArray[np.float32]
    scored: Flags
    returned: Flags
    answered: Flags
    faults: Sequence[Fault] = ()


def score_table(outcomes: Sequence[Outcome], tags: Sequence[str]) -> ScoreTable:
    """The first answer of every clip. Scores that are no share of 1, NaN included, count as 0 and are named."""
    columns = {tag: place for place, tag in enumerate(tags)}
    shape = (len(outcomes), len(tags))
    confidence, raw = np.zeros(shape, np.float32), np.zeros(shape, np.float32)
    scored, returned = np.zeros(shape, bool), np.zeros(shape, bool)
    faults: list[Fault] = []
    for row, outcome in enumerate(outcomes):
        if not outcome.answers:
            continue
        answer = outcome.answers[0]
        stated = {tag.id: (tag.confidence, tag.confidence) for tag in answer.returned} | dict(answer.scores)
        for tag, (sure, estimate) in stated.items():
            column = columns.get(tag)
            if column is None:
                continue
            if _is_share(sure) and _is_share(estimate):
                confidence[row, column], raw[row, column], scored[row, column] = sure, estimate, True
            else:
                faults.append(_bad_score(outcome, tag, sure))
        for one in answer.returned:
            if one.id in columns:
                returned[row, columns[one.id]] = True
    answered = np.array([bool(outcome.answers) for outcome in outcomes], dtype=bool)
    return ScoreTable(tags, confidence, raw, scored, returned, answered, tuple(faults))


def _is_share(value: float) -> bool:
    return math.isfinite(value) and 0 <= value <= 1


def _bad_score(outcome: Outcome, tag: str, value: float) -> Fault:
    message = f"the confidence in {tag!r} is {value}, which is not within 0 and 1"
    return Fault(Kind.BAD_SCORE, message, row=outcome.item.row, id=outcome.item.id)

"""The answers of a run as arrays: one line a clip, one column a tag."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from vidtomusictags.evaluation.faults import Fault, Kind
from vidtomusictags.evaluation.running import Outcome
from vidtomusictags.evaluation.score_row import ScoreRow

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
    tags = tuple(tags)
    columns = {tag: place for place, tag in enumerate(tags)}
    shape = (len(outcomes), len(tags))
    confidence, raw = np.zeros(shape, np.float32), np.zeros(shape, np.float32)
    scored, returned = np.zeros(shape, bool), np.zeros(shape, bool)
    faults: list[Fault] = []
    for row, outcome in enumerate(outcomes):
        if not outcome.answers:
            continue
        answer = outcome.answers[0]
        scores = answer.scores if isinstance(answer.scores, ScoreRow) else ScoreRow(answer.scores)
        told = ScoreRow({tag.id: (tag.confidence,) * 2 for tag in answer.returned if tag.id not in scores})
        for part in (scores, told):
            kept, places = _places(part.tags, tags)
            values = np.array(part.numbers, dtype=np.float64).reshape(-1, 2)[kept]
            sound = ((values >= 0) & (values <= 1)).all(axis=1)  # NaN fails this too
            good = places[sound]
            confidence[row, good], raw[row, good] = values[sound, 0], values[sound, 1]
            scored[row, good] = True
            faults += [_bad_score(outcome, tags[places[at]], values[at, 0]) for at in np.flatnonzero(~sound)]
        for one in answer.returned:
            if one.id in columns:
                returned[row, columns[one.id]] = True
    answered = np.array([bool(outcome.answers) for outcome in outcomes], dtype=bool)
    return ScoreTable(tags, confidence, raw, scored, returned, answered, tuple(faults))


@lru_cache(maxsize=1024)
def _places(stated: tuple[str, ...], tags: tuple[str, ...]) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    """Which of the stated tags the taxonomy has, and the columns of those."""
    columns = {tag: place for place, tag in enumerate(tags)}
    kept = [at for at, tag in enumerate(stated) if tag in columns]
    return np.array(kept, dtype=np.intp), np.array([columns[stated[at]] for at in kept], dtype=np.intp)


def _bad_score(outcome: Outcome, tag: str, value: float) -> Fault:
    message = f"the confidence in {tag!r} is {value}, which is not within 0 and 1"
    return Fault(Kind.BAD_SCORE, message, row=outcome.item.row, id=outcome.item.id)

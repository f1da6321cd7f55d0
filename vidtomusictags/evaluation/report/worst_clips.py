"""The clips that a run does worst on, with everything that helps to see why."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from vidtomusictags.evaluation.run_result import RunResult
from vidtomusictags.evaluation.stage_results import Picture


@dataclass(frozen=True)
class Piece:
    """A piece of a summary. tags: those that quote it as evidence, none for what nobody quotes."""

    text: str
    tags: Sequence[str]


@dataclass(frozen=True)
class Chip:
    """A tag. right: whether it is expected (for returned tags) or was returned (for expected ones)."""

    tag: str
    number: float
    right: bool


@dataclass(frozen=True)
class WorstClip:
    """expected: with the share of annotators; returned: with the confidence."""

    id: str
    row: int
    clip: str
    source: str
    pictures: Sequence[Picture]
    pieces: Sequence[Piece]
    expected: Sequence[Chip]
    returned: Sequence[Chip]
    reasoning: str
    failure: str
    similarity: float


def worst_clips(run: RunResult, most: int) -> list[WorstClip]:
    """Those that failed, then those whose answers are least like what is expected; none that is wholly right."""
    expected, returned = run.truth.expected, run.table.returned
    union = (expected | returned).sum(axis=1)
    similarity = np.where(union == 0, 1.0, (expected & returned).sum(axis=1) / np.maximum(union, 1))
    loss = ((run.table.confidence.astype(np.float64) - run.truth.share) ** 2).sum(axis=1)
    order = sorted(
        range(len(similarity)), key=lambda row: (bool(run.table.answered[row]), similarity[row], -loss[row], row)
    )
    chosen = [row for row in order if similarity[row] < 1 or not run.table.answered[row]][:most]
    return [_clip(run, row, float(similarity[row])) for row in chosen]


def _clip(run: RunResult, row: int, similarity: float) -> WorstClip:
    outcome, truth = run.outcomes[row], run.truth
    answer = outcome.answers[0] if outcome.answers else None
    columns = {tag: place for place, tag in enumerate(truth.tags)}
    returned = answer.returned if answer else ()
    got = {tag.id for tag in returned}
    return WorstClip(
        id=outcome.item.id,
        row=outcome.item.row,
        clip=outcome.item.clip.rpartition("/")[2],
        source=outcome.item.source,
        pictures=outcome.summary.pictures if outcome.summary else (),
        pieces=_pieces(outcome.summary.text, [(e[0], e[1], tag.id) for tag in returned for e in tag.evidence])
        if outcome.summary
        else (),
        expected=[
            Chip(tag, float(truth.share[row, place]), tag in got)
            for tag, place in columns.items()
            if truth.expected[row, place]
        ],
        returned=[
            Chip(tag.id, tag.confidence, tag.id in columns and bool(truth.expected[row, columns[tag.id]]))
            for tag in returned
        ],
        reasoning=answer.reasoning if answer else "",
        failure=f"{outcome.failure.stage}: {outcome.failure.message}" if outcome.failure else "",
        similarity=similarity,
    )


def _pieces(text: str, quotes: Sequence[tuple[int, int, str]]) -> list[Piece]:
    """The text cut where quotes begin and end."""
    cuts = sorted({0, len(text), *(min(max(at, 0), len(text)) for start, end, _ in quotes for at in (start, end))})
    return [
        Piece(text[start:end], sorted({tag for low, high, tag in quotes if low <= start and end <= high}))
        for start, end in pairwise(cuts)
    ]

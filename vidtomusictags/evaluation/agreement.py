"""How far annotators agree: Krippendorff's alpha, and how well one annotator predicts the others."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from vidtomusictags.evaluation.labels import EXPECTED_SHARE, Truth

Numbers = NDArray[np.float64]


@dataclass(frozen=True)
class Agreement:
    """Over all tags and clips, and per tag. alpha: of tag or not; alpha_graded: of the relevances, squared distance.

    one_against_others: micro F1 of each annotator against the majority of the others, the mean; what a perfect
    imitation of one person would score. pairs: (clip, tag) judged by at least two. warnings: what the figures cannot
    bear.
    """

    annotators: Sequence[str]
    pairs: int
    alpha: float
    alpha_graded: float
    alpha_of_tags: dict[str, float]
    one_against_others: float
    warnings: Sequence[str]


def krippendorff_alpha(votes: NDArray[np.float32]) -> float:
    """Alpha for values (annotators, units), NaN where somebody did not judge; distance: the squared difference.

    For 0 and 1 that is nominal alpha, else interval alpha (Krippendorff, Content Analysis, 4th ed., chapter 12).
    NaN where nobody judged what another did, or all said the same throughout.
    """
    known = ~np.isnan(votes)
    judged = known.sum(axis=0)
    paired = judged >= 2
    if not paired.any():
        return float("nan")
    values = np.where(known, votes, 0.0).astype(np.float64)[:, paired]
    known, judged = known[:, paired], judged[paired]
    total, squares = values.sum(axis=0), (values**2).sum(axis=0)
    within = (2 * (judged * squares - total**2) / (judged - 1)).sum()
    count = judged.sum()
    between = 2 * (count * squares.sum() - total.sum() ** 2) / (count - 1)
    return float("nan") if between <= 0 else float(1 - within / between)


def agreement(truth: Truth) -> Agreement:
    """Of the annotators of a data set."""
    votes = truth.votes
    binary = np.where(np.isnan(votes), np.nan, votes >= EXPECTED_SHARE).astype(np.float32)
    flat = binary.reshape(len(votes), -1)
    pairs = int(((~np.isnan(flat)).sum(axis=0) >= 2).sum())
    warnings = []
    if len(votes) < 2 or not pairs:
        warnings.append("No clip was labelled by two annotators: how far people agree cannot be measured.")
    elif len(votes) == 2:
        warnings.append("Two annotators only: there is no majority, a tag that one of them gave counts as expected.")
    return Agreement(
        annotators=truth.annotators,
        pairs=pairs,
        alpha=krippendorff_alpha(flat),
        alpha_graded=krippendorff_alpha(votes.reshape(len(votes), -1)),
        alpha_of_tags={tag: krippendorff_alpha(binary[:, :, column]) for column, tag in enumerate(truth.tags)},
        one_against_others=_one_against_others(votes),
        warnings=warnings,
    )


def against_each(truth: Truth, returned: NDArray[np.bool_]) -> dict[str, float]:
    """Micro F1 of answers (items, tags) against each annotator alone, over the clips that one labelled."""
    found = {}
    for name, votes in zip(truth.annotators, truth.votes, strict=True):
        judged = ~np.isnan(votes[:, 0])
        found[name] = _micro_f1(votes[judged] >= EXPECTED_SHARE, returned[judged])
    return found


def _one_against_others(votes: NDArray[np.float32]) -> float:
    scores = []
    for place in range(len(votes)):
        others = np.delete(votes, place, axis=0)
        known = ~np.isnan(others)
        both = ~np.isnan(votes[place]) & known.any(axis=0)
        if not both.any():
            continue
        mean = np.where(known, others, 0).sum(axis=0) / np.maximum(known.sum(axis=0), 1)
        scores.append(_micro_f1(mean[both] >= EXPECTED_SHARE, votes[place][both] >= EXPECTED_SHARE))
    return float(np.mean(scores)) if scores else float("nan")


def _micro_f1(expected: NDArray[np.bool_], returned: NDArray[np.bool_]) -> float:
    below = expected.sum() + returned.sum()
    return float(2 * (expected & returned).sum() / below) if below else float("nan")

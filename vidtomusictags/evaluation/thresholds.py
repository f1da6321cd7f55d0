"""From which confidence on a tag is worth returning: for the best F1, or for a precision that is wanted."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Numbers = NDArray[np.float64]
Flags = NDArray[np.bool_]

ENOUGH_EXPECTED = 10
"""A tag that fewer clips deserve has no threshold of its own, but that of all tags together."""
NEVER = 1.0


@dataclass(frozen=True)
class Thresholds:
    """Of all tags together, and of single ones. unreached: tags of which the wanted precision cannot be had."""

    shared: float
    of_tags: dict[str, float]
    unreached: Sequence[str]

    def returned(self, tags: Sequence[str], confidence: Numbers) -> Flags:
        """bool (items, tags): what would be returned."""
        least = np.array([self.of_tags.get(tag, self.shared) for tag in tags])
        found: Flags = confidence >= least
        return found


def choose_thresholds(
    tags: Sequence[str], confidence: Numbers, expected: Flags, *, precision: float | None
) -> Thresholds:
    """precision: the least that is wanted; None for the best F1. Over (items, tags)."""
    shared = _best(confidence.ravel(), expected.ravel(), precision)
    of_tags, unreached = {}, []
    for column, tag in enumerate(tags):
        if expected[:, column].sum() < ENOUGH_EXPECTED:
            continue
        own = _best(confidence[:, column], expected[:, column], precision)
        if own is None:
            unreached.append(tag)
        of_tags[tag] = NEVER if own is None else own
    return Thresholds(NEVER if shared is None else shared, of_tags, tuple(unreached))


def _best(confidence: Numbers, expected: Flags, precision: float | None) -> float | None:
    """A bound midway between two confidences, to 4 digits; None where no bound gives the precision."""
    order = np.argsort(-confidence, kind="stable")
    sure, hits = confidence[order], np.cumsum(expected[order])
    returned = np.arange(1, len(sure) + 1)
    ends = np.append(np.flatnonzero(np.diff(sure)), len(sure) - 1)
    ends = ends[sure[ends] > 0]
    if not len(ends) or not expected.any():
        return None
    if precision is None:
        chosen = int(ends[np.argmax(2 * hits[ends] / (returned[ends] + expected.sum()))])
    else:
        good = ends[hits[ends] / returned[ends] >= precision]
        if not len(good):
            return None
        chosen = int(good[np.argmax(hits[good])])
    below = float(sure[chosen + 1]) if chosen + 1 < len(sure) else 0.0
    bound = round((float(sure[chosen]) + below) / 2, 4)
    return bound if below < bound <= sure[chosen] else float(sure[chosen])

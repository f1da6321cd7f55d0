"""How well confidence ranks: per clip its tags, and per tag the clips. Ties count as their average, in any order."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Numbers = NDArray[np.float64]
Flags = NDArray[np.bool_]
_CELLS_AT_ONCE = 8_000_000


@dataclass(frozen=True)
class ItemRanking:
    """float64 (items,) each: label ranking average precision, precision@3 and nDCG@5, as scikit-learn defines them."""

    lrap: Numbers
    precision_at_3: Numbers
    ndcg_at_5: Numbers


def item_ranking(expected: Flags, share: NDArray[np.float32], confidence: NDArray[np.float32]) -> ItemRanking:
    """Over (items, tags). expected decides LRAP and precision, the graded share is the gain of nDCG."""
    items, tags = expected.shape
    lrap, precision, ndcg = np.zeros(items), np.zeros(items), np.zeros(items)
    discount = 1.0 / np.log2(np.arange(2, tags + 2))
    for rows in _slices(items, tags):
        scores = confidence[rows]
        reaching = scores[:, None, :] >= scores[:, :, None]
        equal = reaching & (scores[:, None, :] <= scores[:, :, None])
        right = expected[rows]
        rank = reaching.sum(axis=2)
        right_reaching = np.einsum("itk,ik->it", reaching, right, dtype=np.float32, casting="unsafe")
        found = np.where(right, right_reaching / rank, 0.0).sum(axis=1)
        lrap[rows] = found / np.maximum(right.sum(axis=1), 1)
        order = np.argsort(-scores, axis=1, kind="stable")
        ties = equal.sum(axis=2)
        for gains, at, result in ((right, 3, precision), (share[rows], 5, ndcg)):
            mean_gain = np.einsum("itk,ik->it", equal, gains, dtype=np.float32, casting="unsafe") / ties
            top = np.take_along_axis(mean_gain, order, axis=1)[:, :at]
            if result is precision:
                result[rows] = top.sum(axis=1) / at
            else:
                best = -np.sort(-gains.astype(np.float64), axis=1)[:, :at] @ discount[: min(at, tags)]
                result[rows] = np.divide(top @ discount[: min(at, tags)], best, out=np.zeros(len(best)), where=best > 0)
    return ItemRanking(lrap, precision, ndcg)


@dataclass(frozen=True)
class TagRanking:
    """One tag's clips by falling confidence: their order, and where runs of equal confidence end."""

    order: NDArray[np.intp]
    ends: NDArray[np.intp]
    expected: Flags

    @classmethod
    def of(cls, expected: Flags, confidence: NDArray[np.float32]) -> TagRanking:
        """expected, confidence: (items,) of one tag."""
        order = np.argsort(-confidence, kind="stable")
        ends = np.append(np.flatnonzero(np.diff(confidence[order])), len(order) - 1)
        return cls(order, ends, expected[order])

    def areas(self, weights: Numbers) -> tuple[Numbers, Numbers]:
        """Average precision and ROC-AUC, (resamples,) each, for weights (resamples, items).

        NaN where no expected clip has weight; for ROC-AUC also where no other clip has.
        """
        ordered = weights[:, self.order]
        hits: Numbers = np.cumsum(ordered * self.expected, axis=1)[:, self.ends]
        seen: Numbers = np.cumsum(ordered, axis=1)[:, self.ends]
        misses = seen - hits
        gained, lost = np.diff(hits, axis=1, prepend=0.0), np.diff(misses, axis=1, prepend=0.0)
        below = misses[:, -1:] - misses + lost / 2
        np.divide(hits, seen, out=hits, where=seen > 0)
        total, others = gained.sum(axis=1), misses[:, -1]
        with np.errstate(invalid="ignore", divide="ignore"):
            return np.einsum("rn,rn->r", gained, hits) / total, np.einsum("rn,rn->r", gained, below) / (total * others)


def _slices(items: int, tags: int) -> Iterator[slice]:
    step = max(1, _CELLS_AT_ONCE // max(1, tags * tags))
    for start in range(0, items, step):
        yield slice(start, min(start + step, items))

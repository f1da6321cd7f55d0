"""How far confidence is from being right: expected calibration error over bins of equal mass, and reliability."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Numbers = NDArray[np.float64]
BINS = 15
_FEWEST_BINS, _PER_BIN = 5, 10


@dataclass(frozen=True)
class Bins:
    """Bins that hold about equally many confidences each; equal confidences share one. edges: inner ones, rising."""

    edges: Numbers

    @classmethod
    def of(cls, confidence: NDArray[np.float32]) -> Bins:
        """Edges at the quantiles (Nixon et al., 2019), fewer where many confidences are equal.

        15 bins; fewer, but at least 5, where that would leave less than 10 confidences in each.
        """
        if not confidence.size:
            return cls(np.empty(0))
        bins = min(BINS, max(_FEWEST_BINS, confidence.size // _PER_BIN))
        quantiles = np.quantile(confidence, np.arange(1, bins) / bins, method="higher")
        return cls(np.unique(quantiles.astype(np.float64)))

    @property
    def count(self) -> int:
        """How many."""
        return len(self.edges) + 1

    def place(self, confidence: NDArray[np.float32]) -> NDArray[np.intp]:
        """The bin of each confidence, from 0; an edge belongs to the bin above it."""
        return np.searchsorted(self.edges, confidence.astype(np.float64), side="right")


@dataclass(frozen=True)
class Reliability:
    """Per bin: how many confidences, their mean, and the share that was right. Empty bins are left out."""

    count: NDArray[np.int64]
    confidence: Numbers
    right: Numbers

    @property
    def ece(self) -> float:
        """The mean distance between confidence and the share that was right; NaN without any confidence."""
        total = self.count.sum()
        if not total:
            return float("nan")
        return float((self.count * np.abs(self.confidence - self.right)).sum() / total)


def reliability(confidence: NDArray[np.float32], right: NDArray[np.bool_], bins: Bins | None = None) -> Reliability:
    """Of confidences (pairs,) that were right or not."""
    bins = bins or Bins.of(confidence)
    place = bins.place(confidence)
    count = np.bincount(place, minlength=bins.count)
    sure = np.bincount(place, weights=confidence.astype(np.float64), minlength=bins.count)
    hits = np.bincount(place, weights=right, minlength=bins.count)
    there = count > 0
    return Reliability(count[there], sure[there] / count[there], hits[there] / count[there])

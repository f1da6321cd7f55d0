"""What abstaining buys: how often the best tag is wrong, for the share of clips of which the confidence is highest."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Numbers = NDArray[np.float64]


@dataclass(frozen=True)
class RiskCoverage:
    """float64 (points,): coverage rises from above 0 to 1; risk is the share of covered clips whose best tag is wrong.

    threshold: the confidence from which on a clip is covered. Clips of equal confidence are covered together.
    """

    coverage: Numbers
    risk: Numbers
    threshold: Numbers

    @property
    def area(self) -> float:
        """The mean risk over all clips' coverages (AURC; Geifman and El-Yaniv, 2017); lower is better."""
        steps = np.diff(self.coverage, prepend=0.0)
        return float((steps * self.risk).sum()) if len(self.risk) else float("nan")

    def risk_at(self, coverage: float) -> float:
        """The risk at the least coverage that is at least this."""
        place = min(int(np.searchsorted(self.coverage, coverage - 1e-12)), len(self.risk) - 1)
        return float(self.risk[place])


def risk_coverage(expected: NDArray[np.bool_], confidence: NDArray[np.float32]) -> RiskCoverage:
    """Over (items, tags). A clip without an expected tag can only be right by abstaining: its best tag is wrong."""
    best = confidence.argmax(axis=1)
    rows = np.arange(len(confidence))
    sure = confidence[rows, best].astype(np.float64)
    wrong = ~expected[rows, best]
    order = np.argsort(-sure, kind="stable")
    ends = np.append(np.flatnonzero(np.diff(sure[order])), len(order) - 1)
    covered = np.arange(1, len(order) + 1)[ends]
    return RiskCoverage(covered / len(order), np.cumsum(wrong[order])[ends] / covered, sure[order][ends])

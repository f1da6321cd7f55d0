"""Made-up labels and answers to measure, with everything that makes measuring hard."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from vidtomusictags.evaluation.hierarchy import with_ancestors
from vidtomusictags.evaluation.inference import Measured
from vidtomusictags.evaluation.labels import Truth
from vidtomusictags.evaluation.score_table import ScoreTable
from vidtomusictags.evaluation.sums import sums_of

TAGS = ("a", "b", "b/one", "b/two", "c", "never")
ANCESTORS = np.eye(6, dtype=bool)
ANCESTORS[2, 1] = ANCESTORS[3, 1] = True


def truth(share: NDArray[np.float32], tags: Sequence[str] = TAGS) -> Truth:
    """One annotator's graded labels (items, tags)."""
    share = share.astype(np.float32)
    return Truth(tags, share, share >= 0.5, share[None], ("expected",), 0, ())


def measured(
    random: np.random.Generator, *, items: int = 80, noise: float = 0.3, clips_per_film: int = 2, same: int = 1
) -> Measured:
    """Confidence is a rounded, noisy image of the labels; labels depend on `same` alone."""
    graded = np.random.default_rng(same).choice([0, 0, 0, 0.3, 0.5, 1.0], size=(items, len(TAGS)))
    graded[:, -1] = 0
    graded[:5] = 0
    graded[7, 0] = 1
    right = truth(graded)
    confidence = np.clip(right.share * 0.6 + random.normal(0.25, noise, graded.shape), 0, 1).round(1)
    answered = np.ones(items, dtype=bool)
    answered[7] = False
    confidence[7] = 0
    table = ScoreTable(
        TAGS,
        confidence.astype(np.float32),
        confidence.astype(np.float32),
        np.ones_like(right.expected),
        (confidence >= 0.5) & answered[:, None],
        answered,
    )
    films = [f"film-{item // clips_per_film}" for item in range(items)]
    return Measured(right, table, sums_of(right, table, ANCESTORS, films))


def wide(sets: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """With ancestors."""
    return with_ancestors(sets, ANCESTORS)

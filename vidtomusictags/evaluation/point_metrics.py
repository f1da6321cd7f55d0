"""The figures of a run over all clips, by scikit-learn wherever it has the metric."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.metrics import (
    average_precision_score,
    jaccard_score,
    label_ranking_average_precision_score,
    ndcg_score,
    precision_recall_curve,
    precision_recall_fscore_support,
    roc_auc_score,
)

from vidtomusictags.evaluation.calibration_error import reliability
from vidtomusictags.evaluation.inference import Measured, point_values

Flags = NDArray[np.bool_]
_MOST_CURVE_POINTS = 200
_MOST_FOR_LOOPS = 20_000
"""scikit-learn loops over clips in Python for LRAP and nDCG; beyond this our own equal figures stay."""


@dataclass(frozen=True)
class TagFigures:
    """One tag. expected, returned, hits: clips. average_precision, roc_auc: NaN where all clips are of one class."""

    tag: str
    expected: int
    returned: int
    hits: int
    precision: float
    recall: float
    f1: float
    average_precision: float
    roc_auc: float
    ece: float


def point_metrics(run: Measured) -> dict[str, float]:
    """Every metric by name: from scikit-learn what it has, from the sums what it has not."""
    expected, returned, confidence = run.truth.expected, run.table.returned, run.table.confidence
    found = point_values(run)
    with_expected = run.tags_with_expected
    for average in ("micro", "weighted"):
        _take(found, average, expected, returned, average)
    _take(found, "macro", expected[:, with_expected], returned[:, with_expected], "macro")
    found["jaccard"] = float(jaccard_score(expected, returned, average="samples", zero_division=1.0))
    deserving = expected.any(axis=1) & run.table.answered
    share_answered = deserving.sum() / max(1, expected.any(axis=1).sum())
    if deserving.any() and expected.shape[1] > 1 and len(expected) <= _MOST_FOR_LOOPS:
        right, sure = expected[deserving], confidence[deserving]
        found["lrap"] = float(label_ranking_average_precision_score(right, sure) * share_answered)
        found["ndcg_at_5"] = float(ndcg_score(run.truth.share[deserving], sure, k=5) * share_answered)
    figures = tag_figures(run)
    found["map"] = _mean([one.average_precision for one in figures])
    found["roc_auc"] = _mean([one.roc_auc for one in figures])
    hits, missed = (expected & returned).sum(), (expected & ~returned).sum()
    found["micro_recall_with_unknown"] = float(hits / max(1, hits + missed + run.truth.unknown))
    return found


def tag_figures(run: Measured) -> list[TagFigures]:
    """Of every tag, in the order of the taxonomy."""
    expected, returned, confidence = run.truth.expected, run.table.returned, run.table.confidence
    precision, recall, f1, _ = _scores(expected, returned, None)
    figures = []
    for column, tag in enumerate(run.truth.tags):
        right, sure = expected[:, column], confidence[:, column]
        figures.append(
            TagFigures(
                tag=tag,
                expected=int(right.sum()),
                returned=int(returned[:, column].sum()),
                hits=int((right & returned[:, column]).sum()),
                precision=float(precision[column]),
                recall=float(recall[column]),
                f1=float(f1[column]),
                average_precision=float(average_precision_score(right, sure)) if right.any() else float("nan"),
                roc_auc=float(roc_auc_score(right, sure)) if right.any() and not right.all() else float("nan"),
                ece=reliability(sure, right).ece,
            )
        )
    return figures


def precision_recall_points(expected: Flags, confidence: NDArray[np.float32]) -> list[tuple[float, float]]:
    """(recall, precision) of all pairs together, by rising recall, thinned to what a picture can show."""
    if not expected.any():
        return []
    precision, recall, _ = precision_recall_curve(expected.ravel(), confidence.ravel())
    step = max(1, len(recall) // _MOST_CURVE_POINTS)
    kept = sorted({*range(0, len(recall), step), len(recall) - 1})
    return [(float(recall[place]), float(precision[place])) for place in reversed(kept)]


def _take(found: dict[str, float], prefix: str, expected: Flags, returned: Flags, average: str) -> None:
    precision, recall, f1, _ = _scores(expected, returned, average) if expected.shape[1] else (np.nan,) * 4
    for name, value in (("precision", precision), ("recall", recall), ("f1", f1)):
        found[f"{prefix}_{name}"] = float(value)


def _scores(expected: Flags, returned: Flags, average: str | None) -> Any:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of one column scikit-learn says that it is not several
        return precision_recall_fscore_support(
            _columns(expected), _columns(returned), average=average, zero_division=0.0, labels=_labels(expected)
        )


def _labels(expected: Flags) -> Any:
    """With one tag alone, F1 is that of the tag and not of its absence."""
    return [1] if expected.shape[1] == 1 else None


def _columns(flags: Flags) -> NDArray[np.int8]:
    numbers = flags.astype(np.int8)
    return numbers[:, 0] if numbers.shape[1] == 1 else numbers


def _mean(values: Sequence[float]) -> float:
    defined = [value for value in values if not np.isnan(value)]
    return float(np.mean(defined)) if defined else float("nan")

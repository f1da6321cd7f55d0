"""All that most metrics need of a clip, as numbers that add up: resampling clips is then a product of matrices."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from vidtomusictags.evaluation.calibration_error import Bins
from vidtomusictags.evaluation.hierarchy import with_ancestors
from vidtomusictags.evaluation.labels import Truth
from vidtomusictags.evaluation.ranking import item_ranking
from vidtomusictags.evaluation.score_table import ScoreTable

Numbers = NDArray[np.float64]
Flags = NDArray[np.bool_]

MEANS = ("jaccard", "lrap", "precision_at_3", "ndcg_at_5", "brier", "brier_annotators", "coverage", "answered")
"""Means over clips. The three rankings are means over clips of which a tag is expected."""


@dataclass(frozen=True)
class Sums:
    """One line a source (film), because clips of one film are not independent; columns as `layout` says.

    values: float64 (sources, columns). source_of: (items,), the line of each clip.
    """

    values: Numbers
    layout: Mapping[str, slice]
    source_of: NDArray[np.intp]


def sums_of(truth: Truth, table: ScoreTable, ancestors: Flags, sources: Sequence[str]) -> Sums:
    """The sums of one run."""
    expected, returned = truth.expected, table.returned
    blocks: dict[str, Numbers] = {
        "hit": _as_numbers(expected & returned),
        "false": _as_numbers(returned & ~expected),
        "missed": _as_numbers(expected & ~returned),
    }
    wide_expected, wide_returned = with_ancestors(expected, ancestors), with_ancestors(returned, ancestors)
    blocks["hierarchy"] = np.stack(
        [
            (wide_expected & wide_returned).sum(axis=1),
            (wide_returned & ~wide_expected).sum(axis=1),
            (wide_expected & ~wide_returned).sum(axis=1),
        ],
        axis=1,
    ).astype(np.float64)
    for name, (values, counts) in item_means(truth, table).items():
        blocks[name] = np.stack([np.where(counts, values, 0.0), counts], axis=1).astype(np.float64)
    blocks["ece"] = _binned(table.confidence, expected, np.ones_like(expected))
    blocks["ece_returned"] = _binned(table.confidence, expected, returned)
    layout, start = {}, 0
    for name, block in blocks.items():
        layout[name] = slice(start, start + block.shape[1])
        start += block.shape[1]
    _, source_of = np.unique(np.asarray(sources), return_inverse=True)
    order = np.argsort(source_of, kind="stable")
    starts = np.flatnonzero(np.diff(source_of[order], prepend=-1))
    values = np.empty((len(starts), start))
    for name, block in blocks.items():
        values[:, layout[name]] = np.add.reduceat(block[order], starts, axis=0)
    return Sums(values, layout, source_of)


def item_means(truth: Truth, table: ScoreTable) -> dict[str, tuple[Numbers, Flags]]:
    """Per name of `MEANS` the value of each clip, and which clips count."""
    expected, returned = truth.expected, table.returned
    union = (expected | returned).sum(axis=1)
    # An empty answer to a clip that deserves none is right.
    jaccard = np.where(union == 0, 1.0, (expected & returned).sum(axis=1) / np.maximum(union, 1))
    ranking = item_ranking(expected, truth.share, table.confidence)
    ranked = np.where(table.answered, 1.0, 0.0)
    sure = table.confidence.astype(np.float64)
    everywhere: Flags = np.ones(len(expected), bool)
    deserving: Flags = np.asarray(expected.any(axis=1))
    return {
        "jaccard": (jaccard, everywhere),
        "lrap": (ranking.lrap * ranked, deserving),
        "precision_at_3": (ranking.precision_at_3 * ranked, deserving),
        "ndcg_at_5": (ranking.ndcg_at_5 * ranked, deserving),
        "brier": (((sure - expected) ** 2).mean(axis=1), everywhere),
        "brier_annotators": (((sure - truth.share) ** 2).mean(axis=1), everywhere),
        "coverage": (np.asarray(returned.any(axis=1), np.float64), everywhere),
        "answered": (table.answered.astype(np.float64), everywhere),
    }


def metrics_of(sums: Numbers, layout: Mapping[str, slice], tags_with_expected: Flags) -> dict[str, Numbers]:
    """Metrics of added-up sums (resamples, columns), each (resamples,); NaN where one is not defined.

    tags_with_expected: the tags over which `macro_` is the mean.
    """
    hit, false, missed = (sums[:, layout[name]] for name in ("hit", "false", "missed"))
    found: dict[str, Numbers] = {}
    for name, values in _rates(hit.sum(axis=1), false.sum(axis=1), missed.sum(axis=1)).items():
        found[f"micro_{name}"] = values
    weights = hit + missed
    for name, values in _rates(hit, false, missed).items():
        found[f"macro_{name}"] = _mean(values[:, tags_with_expected])
        found[f"weighted_{name}"] = _over((values * weights).sum(axis=1), weights.sum(axis=1))
        if name == "f1":
            found["macro_f1_all_tags"] = _mean(values)
    near, far, overlooked = (sums[:, layout["hierarchy"]][:, column] for column in range(3))
    for name, values in _rates(near, far, overlooked).items():
        found[f"hierarchical_{name}"] = values
    for name in MEANS:
        block = sums[:, layout[name]]
        found[name] = _over(block[:, 0], block[:, 1])
    for name in ("ece", "ece_returned"):
        count, sure, right = np.split(sums[:, layout[name]], 3, axis=1)
        found[name] = _over(np.abs(sure - right).sum(axis=1), count.sum(axis=1))
    return found


def _rates(hit: Numbers, false: Numbers, missed: Numbers) -> dict[str, Numbers]:
    """Precision, recall and F1, 0 where nothing was returned or expected, as scikit-learn's zero_division=0."""
    return {
        "precision": _over(hit, hit + false, otherwise=0.0),
        "recall": _over(hit, hit + missed, otherwise=0.0),
        "f1": _over(2 * hit, 2 * hit + false + missed, otherwise=0.0),
    }


def _over(above: Numbers, below: Numbers, *, otherwise: float = np.nan) -> Numbers:
    result: Numbers = np.divide(above, below, out=np.full(np.shape(above), otherwise), where=below > 0)
    return result


def _mean(values: Numbers) -> Numbers:
    if not values.shape[1]:
        return np.full(len(values), np.nan)
    result: Numbers = values.mean(axis=1)
    return result


def _binned(confidence: NDArray[np.float32], expected: Flags, counted: Flags) -> Numbers:
    """Per clip and bin how many confidences, their sum and how many were right: (items, 3 * bins)."""
    bins = Bins.of(confidence[counted])
    cell = np.nonzero(counted)[0] * bins.count + bins.place(confidence[counted])
    size = len(confidence) * bins.count
    parts = (np.ones(len(cell)), confidence[counted].astype(np.float64), expected[counted].astype(np.float64))
    summed = [np.bincount(cell, weights=part, minlength=size).reshape(-1, bins.count) for part in parts]
    return np.concatenate(summed, axis=1)


def _as_numbers(flags: Flags) -> Numbers:
    return flags.astype(np.float64)

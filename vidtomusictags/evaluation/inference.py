"""How sure a figure is: bootstrap intervals, and paired tests whether two runs differ. Films are drawn, not clips."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from vidtomusictags.evaluation.labels import Truth
from vidtomusictags.evaluation.ranking import TagRanking
from vidtomusictags.evaluation.score_table import ScoreTable
from vidtomusictags.evaluation.sums import Sums, metrics_of

Numbers = NDArray[np.float64]
Flags = NDArray[np.bool_]

RANKINGS = ("map", "roc_auc")
BY_BOOTSTRAP = frozenset({*RANKINGS, "ece", "ece_returned"})
"""Metrics that do not add up over clips: their p-values come from the bootstrap and not from permutation."""
RESAMPLES = 2_000
_LEVEL = 0.95
_SEED = 20240229
_WORK = 2_000_000_000
"""Numbers that may be multiplied for one kind of figure; large sets get fewer resamples, which they need less."""
_RANKING_WORK = 300_000_000
_FEWEST = 40
_AT_ONCE = 4_000_000


@dataclass(frozen=True)
class Interval:
    """A 95 % percentile interval; None where the metric is not defined in most resamples."""

    low: float | None
    high: float | None


@dataclass(frozen=True)
class Difference:
    """Of the second run minus the first. p: two-sided. test: what the p-value comes from."""

    value: float
    interval: Interval
    p: float
    test: str


@dataclass(frozen=True)
class Measured:
    """A run with all that resampling it needs. tags_with_expected: bool (tags,)."""

    truth: Truth
    table: ScoreTable
    sums: Sums

    @property
    def tags_with_expected(self) -> Flags:
        """Those that some clip deserves."""
        return np.asarray(self.truth.expected.any(axis=0))


def intervals(run: Measured, *, resamples: int = RESAMPLES) -> dict[str, Interval]:
    """Of every metric. The same data give the same intervals."""
    drawn = _resampled([run], resamples)[0]
    return {name: _interval(values) for name, values in drawn.items()}


def differences(first: Measured, second: Measured, *, resamples: int = RESAMPLES) -> dict[str, Difference]:
    """Of every metric, for two runs over the same clips in the same order, against the same labels."""
    drawn_first, drawn_second = _resampled([first, second], resamples)
    at_first, at_second = point_values(first), point_values(second)
    permuted = _permutation_p(first, second, resamples)
    found = {}
    for name in at_first:
        change = drawn_second[name] - drawn_first[name]
        by_bootstrap = name in BY_BOOTSTRAP
        p = _bootstrap_p(change) if by_bootstrap else permuted[name]
        value = at_second[name] - at_first[name]
        found[name] = Difference(value, _interval(change), p, "bootstrap" if by_bootstrap else "permutation")
    return found


def point_values(run: Measured) -> dict[str, float]:
    """Every metric over all clips; NaN where one is not defined."""
    added = run.sums.values.sum(axis=0, keepdims=True)
    values = metrics_of(added, run.sums.layout, run.tags_with_expected)
    values |= _rankings(run, np.ones((1, len(run.truth.expected))))
    return {name: float(value[0]) for name, value in values.items()}


def _resampled(runs: Sequence[Measured], resamples: int) -> list[dict[str, Numbers]]:
    """Every metric of every run under the same draws of films."""
    sources, columns = runs[0].sums.values.shape
    count = _affordable(resamples, sources * columns, _WORK)
    found: list[list[dict[str, Numbers]]] = [[] for _ in runs]
    for weights in _draws(sources, count):
        for place, run in enumerate(runs):
            found[place].append(metrics_of(weights @ run.sums.values, run.sums.layout, run.tags_with_expected))
    ranked: list[list[dict[str, Numbers]]] = [[] for _ in runs]
    count = _affordable(resamples, runs[0].truth.expected.size, _RANKING_WORK)
    for weights in _draws(sources, count):
        for place, run in enumerate(runs):
            ranked[place].append(_rankings(run, weights[:, run.sums.source_of]))
    return [_joined(parts) | _joined(others) for parts, others in zip(found, ranked, strict=True)]


def _rankings(run: Measured, weights: Numbers) -> dict[str, Numbers]:
    """Mean over tags of average precision and ROC-AUC, each over the tags for which it is defined at all."""
    expected, confidence = run.truth.expected, run.table.confidence
    found: dict[str, list[Numbers]] = {name: [] for name in RANKINGS}
    for tag in range(expected.shape[1]):
        right = expected[:, tag]
        if not right.any():
            continue
        precision, auc = TagRanking.of(right, confidence[:, tag]).areas(weights)
        found["map"].append(precision)
        if not right.all():
            found["roc_auc"].append(auc)
    return {name: _nan_mean(values, len(weights)) for name, values in found.items()}


def _nan_mean(values: Sequence[Numbers], count: int) -> Numbers:
    if not values:
        return np.full(count, np.nan)
    stacked = np.stack(values)
    defined = ~np.isnan(stacked)
    total = np.where(defined, stacked, 0.0).sum(axis=0)
    result: Numbers = np.divide(total, defined.sum(axis=0), out=np.full(count, np.nan), where=defined.any(axis=0))
    return result


def _permutation_p(first: Measured, second: Measured, resamples: int) -> dict[str, float]:
    """Approximate randomisation (Noreen, 1989): were the runs alike, a film's two answers might change places."""
    # Bins differ from run to run, so the columns of ECE, the last ones, do not take part.
    width = first.sums.layout["ece"].start
    one, other = first.sums.values[:, :width], second.sums.values[:, :width]
    both, change = one.sum(axis=0) + other.sum(axis=0), other - one
    sources = len(one)
    count = _affordable(resamples, one.size, _WORK)
    tags = first.tags_with_expected

    def differing(sums: Numbers) -> dict[str, Numbers]:
        at_first = metrics_of(_padded(sums, first.sums), first.sums.layout, tags)
        at_second = metrics_of(_padded(both - sums, first.sums), first.sums.layout, tags)
        return {name: at_second[name] - at_first[name] for name in at_first}

    observed = {name: abs(float(value[0])) for name, value in differing(one.sum(axis=0, keepdims=True)).items()}
    as_large = dict.fromkeys(observed, 0)
    random = np.random.default_rng(_SEED)
    for size in _chunks(count, sources):
        swapped = random.integers(0, 2, size=(size, sources)).astype(np.float64)
        for name, values in differing(one.sum(axis=0) + swapped @ change).items():
            as_large[name] += int((np.abs(values) >= observed[name] - 1e-12).sum())
    return {name: (1 + larger) / (1 + count) for name, larger in as_large.items()}


def _padded(sums: Numbers, like: Sums) -> Numbers:
    """With zeros in the columns that do not take part, which `metrics_of` reads as not defined."""
    missing = like.values.shape[1] - sums.shape[1]
    return np.pad(sums, ((0, 0), (0, missing)))


def _bootstrap_p(change: Numbers) -> float:
    """Two-sided, from how many resamples fall on the other side of no difference."""
    defined = change[~np.isnan(change)]
    if not len(defined):
        return 1.0
    smaller = min((defined <= 0).sum(), (defined >= 0).sum())
    return float(min(1.0, 2 * (1 + smaller) / (1 + len(defined))))


def _interval(values: Numbers) -> Interval:
    defined = values[~np.isnan(values)]
    if len(defined) < len(values) / 2 or not len(values):
        return Interval(None, None)
    low, high = np.quantile(defined, [(1 - _LEVEL) / 2, (1 + _LEVEL) / 2])
    return Interval(float(low), float(high))


def _draws(sources: int, count: int) -> Iterator[Numbers]:
    """Weights (resamples, sources): how often each film was drawn, with replacement."""
    random = np.random.default_rng(_SEED)
    for size in _chunks(count, sources):
        drawn = random.integers(0, sources, size=(size, sources))
        flat = (drawn + np.arange(size)[:, None] * sources).ravel()
        yield np.bincount(flat, minlength=size * sources).reshape(size, sources).astype(np.float64)


def _chunks(count: int, sources: int) -> Iterator[int]:
    step = max(1, _AT_ONCE // max(1, sources))
    for start in range(0, count, step):
        yield min(step, count - start)


def _affordable(wanted: int, size: int, work: int) -> int:
    return max(_FEWEST, min(wanted, work // max(1, size)))


def _joined(parts: Sequence[dict[str, Numbers]]) -> dict[str, Numbers]:
    return {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}

"""Intervals and p-values: right on average, the same every time, and blind to nothing that differs."""

from __future__ import annotations

import numpy as np
import pytest
from made_up import measured
from scipy.stats import permutation_test

from vidtomusictags.evaluation.inference import RANKINGS, Measured, differences, intervals, point_values


def test_intervals_hold_their_figure_and_are_the_same_every_time(run: Measured) -> None:
    once, again, at = intervals(run, resamples=300), intervals(run, resamples=300), point_values(run)
    assert once == again
    # ECE is biased upwards by resampling, and says so by an interval that may lie above the figure.
    for name in at.keys() - {"ece", "ece_returned"}:
        low, high = once[name].low, once[name].high
        assert low is not None
        assert high is not None
        assert low - 1e-9 <= at[name] <= high + 1e-9, name


def test_the_bootstrap_draws_films_and_not_clips() -> None:
    random = np.random.default_rng(11)
    alone = measured(random, items=200, clips_per_film=1)
    together = measured(np.random.default_rng(11), items=200, clips_per_film=20)

    def width(run: Measured) -> float:
        found = intervals(run, resamples=400)["micro_f1"]
        assert found.low is not None
        assert found.high is not None
        return found.high - found.low

    widths = width(alone), width(together)
    assert widths[0] != widths[1]


def test_the_interval_of_a_mean_is_that_of_its_standard_error() -> None:
    run = measured(np.random.default_rng(2), items=400, clips_per_film=1)
    found = intervals(run, resamples=2000)["coverage"]
    answered = np.asarray(run.table.returned.any(axis=1))
    half = 1.96 * answered.std() / np.sqrt(len(answered))
    assert found.low == pytest.approx(answered.mean() - half, abs=0.01)
    assert found.high == pytest.approx(answered.mean() + half, abs=0.01)


def test_two_equal_runs_do_not_differ(run: Measured) -> None:
    for name, found in differences(run, run, resamples=200).items():
        assert found.value == 0, name
        assert found.p == 1, name


def test_a_run_that_is_worse_is_found_to_be() -> None:
    good = measured(np.random.default_rng(1), items=300, noise=0.1)
    bad = measured(np.random.default_rng(2), items=300, noise=0.6)
    found = differences(good, bad, resamples=500)
    for name in ("micro_f1", "macro_f1", "lrap", *RANKINGS):
        assert found[name].value < 0, name
        assert found[name].p < 0.01, name
        high = found[name].interval.high
        assert high is not None
        assert high < 0, name


def test_runs_that_differ_by_chance_alone_are_rarely_found_to_differ() -> None:
    found = [
        differences(
            measured(np.random.default_rng(2 * trial), items=60),
            measured(np.random.default_rng(2 * trial + 1), items=60),
            resamples=200,
        )["micro_f1"].p
        for trial in range(40)
    ]
    assert sum(p < 0.05 for p in found) <= 6
    assert np.mean(found) > 0.3


def test_the_permutation_test_is_that_of_scipy() -> None:
    one = measured(np.random.default_rng(4), items=60, clips_per_film=1, noise=0.25)
    other = measured(np.random.default_rng(5), items=60, clips_per_film=1, noise=0.35)
    ours = differences(one, other, resamples=4000)["jaccard"].p

    def jaccard(run: Measured) -> np.ndarray:
        union = (run.truth.expected | run.table.returned).sum(axis=1)
        return np.where(union == 0, 1.0, (run.truth.expected & run.table.returned).sum(axis=1) / np.maximum(union, 1))

    theirs = permutation_test(
        (jaccard(one), jaccard(other)),
        lambda a, b, axis: np.mean(b - a, axis=axis),
        permutation_type="samples",
        n_resamples=4000,
        rng=0,
    )
    assert ours == pytest.approx(theirs.pvalue, abs=0.04)


def test_large_sets_get_fewer_resamples_and_still_an_interval() -> None:
    run = measured(np.random.default_rng(1), items=3000, clips_per_film=1)
    found = intervals(run, resamples=60)
    assert found["map"].low is not None

"""Krippendorff's alpha against the values that its author publishes."""

from __future__ import annotations

import math

import numpy as np
import pytest

from vidtomusictags.evaluation.agreement import against_each, agreement, krippendorff_alpha
from vidtomusictags.evaluation.labels import Truth

_ = np.nan


def test_alpha_of_binary_data_is_the_published_one() -> None:
    # Krippendorff, "Computing Krippendorff's Alpha-Reliability" (2011), A: binary data, two observers, no missing data.
    votes = np.array([[0, 1, 0, 0, 0, 0, 0, 0, 1, 0], [1, 1, 1, 0, 0, 1, 0, 0, 0, 0]], np.float32)
    assert krippendorff_alpha(votes) == pytest.approx(0.095, abs=5e-4)


def test_alpha_of_interval_data_with_gaps_is_the_published_one() -> None:
    # The same, C and D: four observers, missing data; interval alpha is 0.849.
    votes = np.array(
        [
            [1, 2, 3, 3, 2, 1, 4, 1, 2, _, _, _],
            [1, 2, 3, 3, 2, 2, 4, 1, 2, 5, _, 3],
            [_, 3, 3, 3, 2, 3, 4, 2, 2, 5, 1, _],
            [1, 2, 3, 3, 2, 4, 4, 1, 2, 5, 1, _],
        ],
        np.float32,
    )
    assert krippendorff_alpha(votes) == pytest.approx(0.849, abs=5e-4)


def test_alpha_is_not_defined_without_pairs_or_without_variation() -> None:
    assert math.isnan(krippendorff_alpha(np.array([[1, _], [_, 0]], np.float32)))
    assert math.isnan(krippendorff_alpha(np.array([[0, 0], [0, 0]], np.float32)))


def truth(votes: list[list[list[float]]]) -> Truth:
    array = np.array(votes, np.float32)
    share = np.nanmean(array, axis=0)
    names = tuple(f"ann-{place}" for place in range(len(array)))
    return Truth(("a", "b"), share, share >= 0.5, array, names, 0, ())


def test_two_annotators_only_is_said() -> None:
    found = agreement(truth([[[1, 0], [0, 1]], [[1, 0], [0, 0]]]))
    assert "Two annotators only" in found.warnings[0]
    assert found.pairs == 4


def test_one_annotator_cannot_agree_with_anybody() -> None:
    found = agreement(truth([[[1, 0], [0, 1]]]))
    assert "cannot be measured" in found.warnings[0]
    assert math.isnan(found.alpha)


def test_answers_are_compared_with_each_annotator_over_what_that_one_judged() -> None:
    both = truth([[[1, 0], [0, 1]], [[0, 1], [np.nan, np.nan]]])
    found = against_each(both, np.array([[True, False], [False, True]]))
    assert found == {"ann-0": 1.0, "ann-1": 0.0}


def test_one_annotator_against_two_others_is_scored_by_their_majority() -> None:
    agreeing = [[1.0, 0.0], [0.0, 1.0]]
    found = agreement(truth([agreeing, agreeing, agreeing]))
    assert found.one_against_others == 1.0
    assert found.alpha == 1.0
    assert not found.warnings

"""Every figure against an independent computation: scikit-learn where we compute, plain loops where it has nothing."""

from __future__ import annotations

import math

import numpy as np
import pytest
from made_up import measured, wide
from sklearn.metrics import (
    average_precision_score,
    brier_score_loss,
    f1_score,
    jaccard_score,
    label_ranking_average_precision_score,
    ndcg_score,
    precision_score,
    recall_score,
    roc_auc_score,
)

from vidtomusictags.evaluation.calibration_error import reliability
from vidtomusictags.evaluation.inference import Measured, point_values
from vidtomusictags.evaluation.point_metrics import point_metrics, precision_recall_points, tag_figures
from vidtomusictags.evaluation.ranking import TagRanking, item_ranking
from vidtomusictags.evaluation.risk_coverage import risk_coverage


def test_what_is_resampled_is_what_scikit_learn_computes(run: Measured) -> None:
    from_sums, from_library = point_values(run), point_metrics(run)
    for name, value in from_sums.items():
        assert from_library[name] == pytest.approx(value, abs=1e-6), name


@pytest.mark.parametrize("average", ["micro", "weighted"])
def test_precision_recall_and_f1_are_those_of_the_field(run: Measured, average: str) -> None:
    expected, returned, found = run.truth.expected, run.table.returned, point_metrics(run)
    for name, score in (("precision", precision_score), ("recall", recall_score), ("f1", f1_score)):
        value = score(expected, returned, average=average, zero_division=0)
        assert found[f"{average}_{name}"] == pytest.approx(value)


def test_macro_is_over_tags_that_are_expected_and_over_all_of_them(run: Measured) -> None:
    expected, returned, found = run.truth.expected, run.table.returned, point_metrics(run)
    assert found["macro_f1_all_tags"] == pytest.approx(f1_score(expected, returned, average="macro", zero_division=0))
    assert found["macro_f1"] == pytest.approx(
        f1_score(expected[:, :5], returned[:, :5], average="macro", zero_division=0)
    )
    assert found["macro_f1"] > found["macro_f1_all_tags"]


def test_rankings_of_clips_are_those_of_scikit_learn(run: Measured) -> None:
    expected, confidence = run.truth.expected, run.table.confidence
    rows = expected.any(axis=1)
    ranking = item_ranking(expected, run.truth.share, confidence)
    assert ranking.lrap[rows].mean() == pytest.approx(
        label_ranking_average_precision_score(expected[rows], confidence[rows])
    )
    assert ranking.ndcg_at_5[rows].mean() == pytest.approx(ndcg_score(run.truth.share[rows], confidence[rows], k=5))


def test_precision_at_3_shares_ties_out() -> None:
    confidence = np.array([[0.9, 0.5, 0.5, 0.5, 0.1], [0.9, 0.8, 0.7, 0.1, 0.0]], np.float32)
    expected = np.array([[1, 1, 0, 0, 0], [1, 0, 1, 0, 1]], bool)
    ranking = item_ranking(expected, expected.astype(np.float32), confidence)
    assert ranking.precision_at_3 == pytest.approx([(1 + 2 / 3) / 3, 2 / 3])


def test_average_precision_and_auc_of_weighted_clips_are_those_of_repeated_clips(run: Measured) -> None:
    random = np.random.default_rng(0)
    expected, confidence = run.truth.expected[:, 1], run.table.confidence[:, 1]
    weights = random.integers(0, 4, size=(5, len(expected)))
    ranking = TagRanking.of(expected, confidence)
    precision, auc = ranking.areas(weights.astype(float))
    for row, line in enumerate(weights):
        right, sure = np.repeat(expected, line), np.repeat(confidence, line)
        assert precision[row] == pytest.approx(average_precision_score(right, sure))
        assert auc[row] == pytest.approx(roc_auc_score(right, sure))


def test_jaccard_counts_a_rightly_empty_answer_as_right(run: Measured) -> None:
    expected, returned = run.truth.expected, run.table.returned
    assert point_metrics(run)["jaccard"] == pytest.approx(
        jaccard_score(expected, returned, average="samples", zero_division=1)
    )


def test_brier_is_that_of_all_pairs(run: Measured) -> None:
    value = brier_score_loss(run.truth.expected.ravel(), run.table.confidence.ravel())
    assert point_metrics(run)["brier"] == pytest.approx(value)


def test_hierarchical_f1_is_micro_f1_with_ancestors(run: Measured) -> None:
    value = f1_score(wide(run.truth.expected), wide(run.table.returned), average="micro")
    assert point_metrics(run)["hierarchical_f1"] == pytest.approx(value)


def test_expected_calibration_error_is_the_mean_gap_of_bins_of_equal_mass() -> None:
    random = np.random.default_rng(5)
    confidence = random.random(3000).astype(np.float32)
    right = random.random(3000) < confidence**2
    gap = 0.0
    order = np.argsort(confidence)
    for part in np.array_split(order, 15):  # without ties the bins are simply the fifteenths
        gap += len(part) * abs(confidence[part].mean() - right[part].mean())
    assert reliability(confidence, right).ece == pytest.approx(gap / 3000, abs=2e-3)


def test_equal_confidences_share_a_bin_so_order_does_not_matter() -> None:
    confidence = np.array([0.0] * 50 + [0.5] * 10 + [1.0] * 40, np.float32)
    right = np.array([False] * 45 + [True] * 5 + [True] * 3 + [False] * 7 + [True] * 36 + [False] * 4)
    found = reliability(confidence, right)
    assert found.count.tolist() == [50, 10, 40]
    assert found.ece == pytest.approx((5 + 2 + 4) / 100)
    shuffled = np.random.default_rng(1).permutation(100)
    assert reliability(confidence[shuffled], right[shuffled]).ece == pytest.approx(found.ece)


def test_risk_and_coverage_are_those_of_a_loop(run: Measured) -> None:
    expected, confidence = run.truth.expected, run.table.confidence
    found = risk_coverage(expected, confidence)
    best = confidence.argmax(axis=1)
    for coverage, risk, threshold in zip(found.coverage, found.risk, found.threshold, strict=True):
        covered = [row for row in range(len(best)) if confidence[row, best[row]] >= threshold]
        assert coverage == pytest.approx(len(covered) / len(best))
        assert risk == pytest.approx(np.mean([not expected[row, best[row]] for row in covered]))
    assert found.coverage[-1] == 1


def test_a_perfect_run_has_perfect_figures() -> None:
    perfect = measured(np.random.default_rng(0), noise=0.0)
    found = point_metrics(perfect)
    # The failed clip is the one thing that is missing, and it is missing from every denominator's upper half alone.
    assert found["micro_precision"] == 1.0
    assert found["micro_recall"] < 1.0
    assert found["answered"] == pytest.approx(79 / 80)


def test_a_failed_clip_counts_as_an_empty_answer_in_every_metric(run: Measured) -> None:
    assert run.truth.expected[7].any()
    ranking = point_metrics(run)
    deserving = run.truth.expected.any(axis=1)
    without = deserving & run.table.answered
    lrap = label_ranking_average_precision_score(run.truth.expected[without], run.table.confidence[without])
    assert ranking["lrap"] == pytest.approx(lrap * without.sum() / deserving.sum())


def test_tags_of_one_class_have_no_ranking_and_no_share_in_the_mean(run: Measured) -> None:
    never = tag_figures(run)[-1]
    assert (never.expected, never.tag) == (0, "never")
    assert math.isnan(never.average_precision)
    assert math.isnan(never.roc_auc)
    others = [one.average_precision for one in tag_figures(run)[:-1]]
    assert point_metrics(run)["map"] == pytest.approx(np.mean(others))


def test_the_precision_recall_curve_ends_at_full_recall_and_the_base_rate(run: Measured) -> None:
    points = precision_recall_points(run.truth.expected, run.table.confidence)
    assert points[-1] == pytest.approx((1.0, run.truth.expected.mean()))
    assert len(points) <= 202

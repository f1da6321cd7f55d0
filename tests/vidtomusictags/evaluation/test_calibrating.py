"""Calibrations: fitted to what is known, measured on what is not, refused where there is too little."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.metrics import f1_score

from classifier_service.calibration import Key
from classifier_service.calibration_curves import BetaCurve
from vidtomusictags.evaluation.calibrating import Calibrated, calibrate
from vidtomusictags.evaluation.fitting import Labelled, TooFewData, fit, methods_for
from vidtomusictags.evaluation.thresholds import NEVER, choose_thresholds

KEY = Key("t", "1.0.0", "0" * 64, "stub", "stub-1", "r1")
TAGS = ("a", "b", "c", "rare")


def labelled(items: int = 400, *, seed: int = 0, films: int = 40) -> Labelled:
    """Estimates that are far too sure of themselves; tag c deserves its estimates even less than the others."""
    random = np.random.default_rng(seed)
    truth = random.beta(0.5, 1.5, size=(items, 4))
    truth[:, 3] *= 0.1
    expected = random.random((items, 4)) < truth
    logits = 2.5 * np.log(truth / (1 - truth).clip(1e-9)) + 1.0
    logits[:, 2] += 1.5
    raw = 1 / (1 + np.exp(-logits))
    return Labelled(TAGS, raw.round(4), np.ones_like(expected), expected, np.arange(items) % films)


def calibrated(data: Labelled, **options: object) -> Calibrated:
    return calibrate(data, data.raw >= 0.5, key=KEY, version=1, **options)  # type: ignore[arg-type]


@pytest.mark.parametrize("method", ["beta", "isotonic"])
def test_confidence_is_right_on_films_that_were_not_fitted_on(method: str) -> None:
    found = calibrated(labelled(), method=method)
    assert found.before.ece > 0.08
    assert found.after.ece < found.before.ece / 2
    assert found.after.brier < found.before.brier
    assert found.helps


def test_held_out_figures_hold_on_films_that_nobody_saw() -> None:
    found = calibrated(labelled())
    unseen = labelled(4000, seed=9)
    confidence = np.array(
        [[found.calibration.confidence(tag, raw) for tag, raw in zip(TAGS, line, strict=True)] for line in unseen.raw]
    )
    returned = confidence >= [found.calibration.least(tag) for tag in TAGS]
    assert np.mean((confidence - unseen.expected) ** 2) == pytest.approx(found.after.brier, abs=0.02)
    assert f1_score(unseen.expected, returned, average="micro") == pytest.approx(found.after.micro_f1, abs=0.05)


def test_beta_calibration_finds_the_curve_that_made_the_data() -> None:
    random = np.random.default_rng(3)
    raw = random.random((20_000, 1))
    curve = BetaCurve(0.6, 1.3, 0.2)
    right = random.random((20_000, 1)) < np.array([[curve(float(value))] for value in raw[:, 0]])
    found = fit(Labelled(("a",), raw, np.ones_like(right), right, np.arange(20_000)), "beta")
    assert isinstance(found.curve, BetaCurve)
    assert (found.curve.a, found.curve.b, found.curve.c) == pytest.approx((0.6, 1.3, 0.2), abs=0.1)


def test_a_tag_that_the_common_curve_misjudges_gets_a_shift_and_a_rare_one_hardly_any() -> None:
    shifts = fit(labelled(), "beta").shifts
    assert shifts["c"] < -0.3
    assert shifts["a"] > 0
    few = labelled()
    alone = np.zeros_like(few.scored)
    alone[:, :3] = True
    alone[:4, 3] = True
    rare = fit(Labelled(TAGS, few.raw, alone, few.expected, few.sources), "beta").shifts.get("rare", 0.0)
    assert abs(rare) < 0.4


def test_no_film_is_in_both_parts_of_a_split() -> None:
    """Clips of a film repeat each other's chance: with them in both parts, an isotonic fit would look too good."""
    data = labelled(400, films=20)
    random = np.random.default_rng(1)
    same = np.repeat(random.random((20, 4)).round(4), 20, axis=0)
    chance = np.repeat(random.random((20, 4)) < 0.3, 20, axis=0)
    repeated = Labelled(data.tags, same, data.scored, chance, np.repeat(np.arange(20), 20))
    found = calibrated(repeated, method="isotonic")
    base_rate = chance.mean() * (1 - chance.mean())
    assert found.after.brier > base_rate * 0.95


@pytest.mark.parametrize(
    ("items", "films", "lacking"), [(20, 20, "20 labelled clips"), (400, 4, "4 films"), (45, 9, "expected tags")]
)
def test_too_few_data_are_refused_with_what_is_missing(items: int, films: int, lacking: str) -> None:
    data = labelled(items, films=films)
    if lacking == "expected tags":
        data = Labelled(data.tags, data.raw, data.scored, data.expected & (data.raw > 0.97), data.sources)
    with pytest.raises(TooFewData, match=lacking):
        calibrated(data)


def test_isotonic_regression_waits_for_more_data_than_beta_calibration() -> None:
    assert methods_for(labelled(60)) == ("beta",)
    assert methods_for(labelled(2000)) == ("beta", "isotonic")


def test_the_threshold_for_the_best_f1_is_the_best_of_all() -> None:
    data = labelled()
    bound = choose_thresholds(("a",), data.raw[:, :1], data.expected[:, :1], precision=None).of_tags["a"]
    best = max(f1_score(data.expected[:, 0], data.raw[:, 0] >= at) for at in np.unique(data.raw[:, 0]))
    assert f1_score(data.expected[:, 0], data.raw[:, 0] >= bound) == pytest.approx(best)


def test_the_threshold_for_a_precision_keeps_it_and_returns_as_much_as_it_can() -> None:
    data = labelled()
    bound = choose_thresholds(("a",), data.raw[:, :1], data.expected[:, :1], precision=0.7).of_tags["a"]
    returned = data.raw[:, 0] >= bound
    assert data.expected[returned, 0].mean() >= 0.7
    hits = data.expected[returned, 0].sum()
    for at in np.unique(data.raw[:, 0]):
        other = data.expected[data.raw[:, 0] >= at, 0]
        assert other.mean() < 0.7 or other.sum() <= hits


def test_a_precision_that_cannot_be_had_returns_nothing_and_is_told() -> None:
    random = np.random.default_rng(0)
    expected = random.random((200, 1)) < 0.3
    found = choose_thresholds(("a",), random.random((200, 1)), expected, precision=0.99)
    if found.unreached:
        assert found.of_tags["a"] == NEVER
    hopeless = choose_thresholds(("a",), np.full((200, 1), 0.5), expected, precision=0.9)
    assert hopeless.unreached == ("a",)
    assert not hopeless.returned(("a",), np.full((200, 1), 0.5)).any()


def test_a_rare_tag_has_the_threshold_of_all_tags() -> None:
    found = calibrated(labelled(100))
    assert "rare" not in found.thresholds.of_tags
    assert found.calibration.least("rare") == found.thresholds.shared

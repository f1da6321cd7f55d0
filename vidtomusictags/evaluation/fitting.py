"""Fits a calibration to labelled clips: one curve for all tags, and for each tag a shift that rare tags hardly get."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from sklearn.isotonic import IsotonicRegression
from sklearn.linear_model import LogisticRegression

from classifier_service.calibration import Calibration, Key
from classifier_service.calibration_curves import LEAST, BetaCurve, StepCurve

Numbers = NDArray[np.float64]
Flags = NDArray[np.bool_]
Method = Literal["beta", "isotonic"]

LEAST_CLIPS, LEAST_EXPECTED, LEAST_SOURCES = 40, 40, 8
"""Below this a calibration would mostly repeat chance: a bin of a reliability diagram needs some ten right answers."""
ISOTONIC_EXPECTED, ISOTONIC_PAIRS = 200, 1_000
"""Isotonic regression follows every step of its data; beta calibration, with three numbers, needs far fewer."""
_SHIFT_DEVIATION = 0.5
"""Tags are thought to differ from the common curve by about half a logit before anything is known of them."""
_NEWTON_STEPS = 25


class TooFewData(ValueError):
    """The labels do not carry a calibration; the message says what is missing."""


@dataclass(frozen=True)
class Labelled:
    """First estimates and what is right, for a run over a data set.

    raw: (items, tags), 0 to 1; scored: which of them there are; expected: bool (items, tags); sources: (items,), films.
    """

    tags: Sequence[str]
    raw: Numbers
    scored: Flags
    expected: Flags
    sources: NDArray[np.intp]

    def rows(self, chosen: NDArray[np.intp]) -> Labelled:
        """The same for some clips alone."""
        return Labelled(self.tags, self.raw[chosen], self.scored[chosen], self.expected[chosen], self.sources[chosen])


@dataclass(frozen=True)
class Fit:
    """A curve, and shifts of the logits of single tags."""

    curve: BetaCurve | StepCurve
    shifts: dict[str, float]

    def confidences(self, labelled: Labelled) -> Numbers:
        """(items, tags), calibrated just as the classifier will; 0 where there was no estimate."""
        calibration = Calibration(_NO_KEY, 1, self.curve, self.shifts, 0.0, {})
        found = np.zeros_like(labelled.raw)
        for column, tag in enumerate(labelled.tags):
            values, where = np.unique(labelled.raw[:, column], return_inverse=True)
            found[:, column] = np.array([calibration.confidence(tag, float(value)) for value in values])[where]
        return np.where(labelled.scored, found, 0.0)


_NO_KEY = Key("", "", "", "", "", "")


def check_enough(labelled: Labelled) -> None:
    """Raises TooFewData, saying how much there is and how much there must be."""
    there = {
        "labelled clips": (len(labelled.raw), LEAST_CLIPS),
        "expected tags with an estimate": (int((labelled.expected & labelled.scored).sum()), LEAST_EXPECTED),
        "films": (len(np.unique(labelled.sources)), LEAST_SOURCES),
    }
    lacking = [f"{count} {what} where {least} are needed" for what, (count, least) in there.items() if count < least]
    if lacking:
        raise TooFewData(f"There are too few labels for a calibration: {', '.join(lacking)}. Label more clips.")
    right = labelled.expected[labelled.scored]
    if right.all():
        raise TooFewData("Every estimate was right; without wrong ones nothing says where confidence should end.")


def methods_for(labelled: Labelled) -> Sequence[Method]:
    """What the data carry, the safer one first."""
    pairs, expected = int(labelled.scored.sum()), int((labelled.expected & labelled.scored).sum())
    return ("beta", "isotonic") if pairs >= ISOTONIC_PAIRS and expected >= ISOTONIC_EXPECTED else ("beta",)


def fit(labelled: Labelled, method: Method) -> Fit:
    """The curve over all tags, then the shift of each."""
    raw, right = labelled.raw[labelled.scored], labelled.expected[labelled.scored]
    curve = _beta(raw, right) if method == "beta" else _isotonic(raw, right)
    shifts = {}
    for column, tag in enumerate(labelled.tags):
        there = labelled.scored[:, column]
        shared = np.array([curve(float(value)) for value in labelled.raw[there, column]])
        shift = _shift(shared, labelled.expected[there, column])
        if abs(shift) >= 5e-4:
            shifts[tag] = round(shift, 4)
    return Fit(curve, shifts)


def _beta(raw: Numbers, right: Flags) -> BetaCurve:
    """Logistic regression on ln p and -ln(1 - p); a factor that comes out negative is left out, as its paper has it."""
    p = np.clip(raw, LEAST, 1 - LEAST)
    features = np.stack([np.log(p), -np.log1p(-p)], axis=1)
    used = [0, 1]
    while True:
        model = LogisticRegression(C=1e4, max_iter=1_000).fit(features[:, used], right)
        factors = dict(zip(used, model.coef_[0], strict=True))
        if all(factor >= 0 for factor in factors.values()) or len(used) == 1:
            a, b = (round(max(0.0, float(factors.get(place, 0.0))), 6) for place in (0, 1))
            return BetaCurve(a, b, round(float(model.intercept_[0]), 6))
        used = [max(factors, key=lambda place: factors[place])]


def _isotonic(raw: Numbers, right: Flags) -> StepCurve:
    """Held away from 0 and 1 by what so many data cannot rule out."""
    bound = 1 / (len(raw) + 2)
    model = IsotonicRegression(y_min=bound, y_max=1 - bound, out_of_bounds="clip").fit(raw, right)
    x, first = np.unique(np.round(model.X_thresholds_, 6), return_index=True)
    y = np.maximum.accumulate(np.round(model.y_thresholds_[first], 6))
    return StepCurve(tuple(float(value) for value in x), tuple(float(value) for value in y))


def _shift(shared: Numbers, right: Flags) -> float:
    """The most probable shift of the logit, by Newton's method: likelihood of the labels, times a normal prior at 0."""
    if not len(shared):
        return 0.0
    p = np.clip(shared, LEAST, 1 - LEAST)
    logits = np.log(p / (1 - p))
    shift, tightness = 0.0, 1 / _SHIFT_DEVIATION**2
    for _ in range(_NEWTON_STEPS):
        q = 1 / (1 + np.exp(-(logits + shift)))
        slope = float((right - q).sum()) - tightness * shift
        step = slope / (float((q * (1 - q)).sum()) + tightness)
        shift += step
        if abs(step) < 1e-9:
            break
    return shift

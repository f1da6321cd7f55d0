"""Curves that turn an engine's first estimates into probabilities, whatever the tag."""

from __future__ import annotations

import math
from bisect import bisect_right
from dataclasses import dataclass

LEAST = 1e-6
"""Estimates are held this far from 0 and 1, where a logit is infinite."""


@dataclass(frozen=True)
class BetaCurve:
    """Beta calibration: logit(q) = a ln(p) - b ln(1 - p) + c, with a, b >= 0 (Kull, Silva Filho and Flach, 2017)."""

    a: float
    b: float
    c: float

    def __call__(self, raw: float) -> float:
        """The calibrated confidence of an estimate; never falls as the estimate rises."""
        p = min(max(raw, LEAST), 1 - LEAST)
        return sigmoid(self.a * math.log(p) - self.b * math.log1p(-p) + self.c)


@dataclass(frozen=True)
class StepCurve:
    """Isotonic regression as its knots: linear between them, level outside. x rises strictly, y never falls."""

    x: tuple[float, ...]
    y: tuple[float, ...]

    def __call__(self, raw: float) -> float:
        """The calibrated confidence of an estimate; never falls as the estimate rises."""
        place = bisect_right(self.x, raw)
        if place == 0 or place == len(self.x):
            return self.y[0 if place == 0 else -1]
        left, right = self.x[place - 1], self.x[place]
        share = (raw - left) / (right - left)
        return self.y[place - 1] + share * (self.y[place] - self.y[place - 1])


def sigmoid(logit: float) -> float:
    """1 / (1 + e^-logit), for logits of any size."""
    if logit >= 0:
        return 1 / (1 + math.exp(-logit))
    return math.exp(logit) / (1 + math.exp(logit))

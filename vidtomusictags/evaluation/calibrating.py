"""Makes a calibration from labelled clips, and measures it on films that it has not seen."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from sklearn.metrics import f1_score, log_loss
from sklearn.model_selection import GroupKFold

from classifier_service.calibration import Calibration, Key
from vidtomusictags.evaluation.calibration_error import reliability
from vidtomusictags.evaluation.fitting import Labelled, Method, check_enough, fit, methods_for
from vidtomusictags.evaluation.run_result import RunResult
from vidtomusictags.evaluation.thresholds import Thresholds, choose_thresholds

Numbers = NDArray[np.float64]
Flags = NDArray[np.bool_]
_SEED = 7


@dataclass(frozen=True)
class HeldOut:
    """Over clips of films that were not fitted on. ece, brier and log_loss over pairs with an estimate."""

    ece: float
    brier: float
    log_loss: float
    micro_f1: float
    macro_f1: float
    micro_precision: float


@dataclass(frozen=True)
class Calibrated:
    """A calibration and what it does. before: first estimates and served thresholds; after: held out."""

    calibration: Calibration
    method: Method
    thresholds: Thresholds
    before: HeldOut
    after: HeldOut
    folds: int

    @property
    def helps(self) -> bool:
        """Whether confidence comes out closer to the truth on films that it was not fitted on."""
        return self.after.ece < self.before.ece and self.after.log_loss < self.before.log_loss


def labelled_of(run: RunResult) -> Labelled:
    """What a run can be calibrated by: the clips that were answered."""
    answered = np.flatnonzero(run.table.answered)
    everything = Labelled(
        run.truth.tags,
        run.table.raw.astype(np.float64),
        run.table.scored,
        run.truth.expected,
        run.measured.sums.source_of,
    )
    return everything.rows(answered)


def calibrate(
    labelled: Labelled,
    served: Flags,
    *,
    key: Key,
    version: int,
    method: Method | None = None,
    precision: float | None = None,
    folds: int = 5,
) -> Calibrated:
    """served: bool (items, tags), what was returned. method: None for the one that does best on films held out.

    Raises TooFewData.
    """
    check_enough(labelled)
    folds = min(folds, len(np.unique(labelled.sources)))
    methods: Sequence[Method] = (method,) if method else methods_for(labelled)
    tried = {one: _held_out(labelled, one, folds, precision) for one in methods}
    chosen = min(tried, key=lambda one: _loss(labelled, tried[one][0]))
    confidence, returned = tried[chosen]
    final = fit(labelled, chosen)
    thresholds = choose_thresholds(labelled.tags, confidence, labelled.expected, precision=precision)
    before, after = _judged(labelled, labelled.raw, served), _judged(labelled, confidence, returned)
    calibration = Calibration(
        key=key,
        version=version,
        curve=final.curve,
        shifts=final.shifts,
        threshold=thresholds.shared,
        thresholds=thresholds.of_tags,
        measured={
            "clips": len(labelled.raw),
            "films": len(np.unique(labelled.sources)),
            "expected": int(labelled.expected.sum()),
            "folds": folds,
            "thresholds_for": "best F1" if precision is None else f"precision {precision:g}",
            "before": _rounded(before),
            "held_out": _rounded(after),
        },
    )
    return Calibrated(calibration, chosen, thresholds, before, after, folds)


def _held_out(labelled: Labelled, method: Method, folds: int, precision: float | None) -> tuple[Numbers, Flags]:
    """Confidences and returned tags of every clip, by fits that saw no clip of its film."""
    confidence, returned = np.zeros_like(labelled.raw), np.zeros_like(labelled.expected)
    splitter = GroupKFold(n_splits=folds, shuffle=True, random_state=_SEED)
    for seen, unseen in splitter.split(labelled.raw, groups=labelled.sources):
        known = labelled.rows(seen)
        fitted = fit(known, method)
        confidence[unseen] = fitted.confidences(labelled.rows(unseen))
        thresholds = choose_thresholds(labelled.tags, fitted.confidences(known), known.expected, precision=precision)
        returned[unseen] = thresholds.returned(labelled.tags, confidence[unseen])
    return confidence, returned


def _judged(labelled: Labelled, confidence: Numbers, returned: Flags) -> HeldOut:
    sure, right = confidence[labelled.scored], labelled.expected[labelled.scored]
    deserved = labelled.expected.any(axis=0)
    return HeldOut(
        ece=reliability(sure.astype(np.float32), right).ece,
        brier=float(((sure - right) ** 2).mean()),
        log_loss=_loss(labelled, confidence),
        micro_f1=float(f1_score(labelled.expected, returned, average="micro", zero_division=0)),
        macro_f1=float(
            f1_score(labelled.expected[:, deserved], returned[:, deserved], average="macro", zero_division=0)
        ),
        micro_precision=float((labelled.expected & returned).sum() / max(1, returned.sum())),
    )


def _loss(labelled: Labelled, confidence: Numbers) -> float:
    sure = np.clip(confidence[labelled.scored], 1e-4, 1 - 1e-4)
    return float(log_loss(labelled.expected[labelled.scored], sure, labels=[False, True]))


def _rounded(held_out: HeldOut) -> dict[str, float]:
    return {name: round(value, 4) for name, value in vars(held_out).items()}

"""Calibrations: what an engine's first estimates are worth, measured on labelled clips and read from files.

A calibration belongs to one taxonomy, engine, model and prompt, in exactly the versions that it was measured with:
other content, weights or words give other estimates. `vidtags calibrate` writes the files.
"""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from functools import cached_property
from itertools import pairwise
from pathlib import Path
from typing import Any

from classifier_service.calibration_curves import LEAST, BetaCurve, StepCurve, sigmoid

FORMAT = 1


@dataclass(frozen=True)
class Key:
    """What a calibration was measured with. prompt: `name@version`, empty where the engine has none."""

    taxonomy: str
    taxonomy_version: str
    taxonomy_digest: str
    engine: str
    model: str
    revision: str
    prompt: str = ""

    @property
    def name(self) -> str:
        """For people, and for file names once made safe."""
        return f"{self.taxonomy}@{self.taxonomy_version}/{self.engine}/{self.model}"


@dataclass(frozen=True)
class Calibration:
    """Turns first estimates into probabilities, and says from which probability on a tag is worth returning.

    shifts: added to the logit of single tags, which the curve of all tags together misjudges. thresholds: of single
    tags; threshold: of all others. version: rises with each file for the same key. measured: what the fit was made on
    and how it did on clips that it had not seen; for people.
    """

    key: Key
    version: int
    curve: BetaCurve | StepCurve
    shifts: Mapping[str, float]
    threshold: float
    thresholds: Mapping[str, float]
    measured: Mapping[str, Any] = field(default_factory=dict)

    @cached_property
    def id(self) -> str:
        """`name#digest`: equal content, equal id."""
        content = json.dumps(to_dict(self), sort_keys=True, ensure_ascii=False)
        return f"{self.key.name}/v{self.version}#{hashlib.sha256(content.encode()).hexdigest()[:12]}"

    def confidence(self, tag: str, raw: float) -> float:
        """The share of clips with this first estimate for this tag that deserve it, 0 to 1, to 4 digits."""
        shared = self.curve(raw)
        shift = self.shifts.get(tag, 0.0)
        if shift:
            bounded = min(max(shared, LEAST), 1 - LEAST)
            shared = sigmoid(math.log(bounded / (1 - bounded)) + shift)
        return round(min(max(shared, 0.0), 1.0), 4)

    def least(self, tag: str) -> float:
        """The probability from which on a tag is returned."""
        return self.thresholds.get(tag, self.threshold)


class CalibrationInvalid(ValueError):
    """A file is no calibration; the message names the file and the fault, for whoever starts the service."""


class Calibrations:
    """Those that a service has. Immutable, so safe in every thread."""

    def __init__(self, calibrations: Iterable[Calibration] = ()) -> None:
        """Of several with one key the highest version counts."""
        self._by_key: dict[Key, Calibration] = {}
        for calibration in sorted(calibrations, key=lambda one: one.version):
            self._by_key[calibration.key] = calibration

    @classmethod
    def load(cls, directory: Path | None) -> Calibrations:
        """Every `*.json` directly in `directory`; none without one. Raises CalibrationInvalid."""
        if directory is None:
            return cls()
        if not directory.is_dir():
            raise CalibrationInvalid(f"{directory}: is not a directory of calibrations")
        return cls(read_calibration(file) for file in sorted(directory.glob("*.json")))

    @property
    def all(self) -> Sequence[Calibration]:
        """Every one that can be used, by name."""
        return sorted(self._by_key.values(), key=lambda one: one.id)

    def find(self, key: Key) -> Calibration | None:
        """The one that was measured with exactly this."""
        return self._by_key.get(key)


def read_calibration(file: Path) -> Calibration:
    """The calibration in a file. Raises CalibrationInvalid, OSError."""
    try:
        return from_dict(json.loads(file.read_text(encoding="utf-8")))
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise CalibrationInvalid(f"{file}: is no calibration: {error!s}") from error


def to_dict(calibration: Calibration) -> dict[str, Any]:
    """JSON's own types, in one order."""
    kind = "beta" if isinstance(calibration.curve, BetaCurve) else "isotonic"
    return {
        "format": FORMAT,
        "key": asdict(calibration.key),
        "version": calibration.version,
        "curve": {"kind": kind, **asdict(calibration.curve)},
        "shifts": dict(sorted(calibration.shifts.items())),
        "threshold": calibration.threshold,
        "thresholds": dict(sorted(calibration.thresholds.items())),
        "measured": dict(calibration.measured),
    }


def from_dict(content: Mapping[str, Any]) -> Calibration:
    """The inverse of `to_dict`. Raises ValueError, KeyError or TypeError for what is no calibration."""
    if content["format"] != FORMAT:
        raise ValueError(f"its format is {content['format']!r}, and {FORMAT} is read; fit it anew")
    thresholds = {str(tag): _share(value) for tag, value in content["thresholds"].items()}
    return Calibration(
        key=Key(**content["key"]),
        version=int(content["version"]),
        curve=_curve(dict(content["curve"])),
        shifts={str(tag): _finite(value) for tag, value in content["shifts"].items()},
        threshold=_share(content["threshold"]),
        thresholds=thresholds,
        measured=content["measured"],
    )


def _curve(content: dict[str, Any]) -> BetaCurve | StepCurve:
    kind = content.pop("kind")
    if kind == "beta":
        beta = BetaCurve(**{name: _finite(value) for name, value in content.items()})
        if beta.a < 0 or beta.b < 0:
            raise ValueError("a and b of its curve must not be negative, or confidence would fall as estimates rise")
        return beta
    if kind != "isotonic":
        raise ValueError(f"its curve is of an unknown kind, {kind!r}")
    x, y = (tuple(_share(value) for value in content[name]) for name in ("x", "y"))
    rising = all(a < b for a, b in pairwise(x)) and all(a <= b for a, b in pairwise(y))
    if not x or len(x) != len(y) or not rising:
        raise ValueError("x of its curve must rise, y must not fall, and both must be of one length")
    return StepCurve(x, y)


def _finite(value: Any) -> float:
    number = float(value)
    if not math.isfinite(number):
        raise ValueError(f"{value!r} is not a finite number")
    return number


def _share(value: Any) -> float:
    number = _finite(value)
    if not 0 <= number <= 1:
        raise ValueError(f"{value!r} is not within 0 and 1")
    return number

"""What engines are told when they are opened. They read no settings and no environment themselves."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from classifier_service.calibration import Calibrations
from classifier_service.engines.instructor.options import InstructorOptions
from vidtomusictags.rpc.telemetry import SILENT, Telemetry


def unbounded() -> float:
    """Seconds that are left of a call outside of a server."""
    return math.inf


@dataclass(frozen=True)
class EngineOptions:
    """instructor: for the engine of that name. fallbacks: further engines, in order: "embedded" or a model's options.

    remaining_seconds: what is left of the present call; asked while a question is answered. calibrations: what the
    first estimates of engines are worth; each engine is handed its own. telemetry: hears of requests to models.
    """

    instructor: InstructorOptions = field(default_factory=InstructorOptions)
    fallbacks: Sequence[str | InstructorOptions] = ()
    remaining_seconds: Callable[[], float] = unbounded
    calibrations: Calibrations = field(default_factory=Calibrations)
    telemetry: Telemetry = SILENT

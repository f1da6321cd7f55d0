"""The list of classification engines. A new engine is one module and one line here."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace

from classifier_service.budget import Budget
from classifier_service.engines.calibrated import CalibratedEngine
from classifier_service.engines.engine import ClassificationEngine
from classifier_service.engines.falling_back import RESERVE_SECONDS, FallingBack
from classifier_service.engines.instructor.options import InstructorOptions
from classifier_service.engines.late_shortlister import LateShortlister, can_shortlist
from classifier_service.engines.options import EngineOptions


def _embedded(options: EngineOptions, own: InstructorOptions, budget: Budget) -> ClassificationEngine:
    from classifier_service.engines.embedded import EmbeddedEngine  # noqa: PLC0415  # only when it is chosen

    return EmbeddedEngine()


def _instructor(options: EngineOptions, own: InstructorOptions, budget: Budget) -> ClassificationEngine:
    try:
        from classifier_service.engines.instructor.engine import InstructorEngine  # noqa: PLC0415  # when it is chosen
    except ImportError as error:
        raise ImportError(
            f"the engine `instructor` needs the extra `classifier-instructor`: {error}", name=error.name
        ) from error
    return InstructorEngine(
        own,
        budget=budget,
        remaining_seconds=options.remaining_seconds,
        shortlister=LateShortlister() if can_shortlist() else None,
        telemetry=options.telemetry,
    )


Factory = Callable[[EngineOptions, InstructorOptions, Budget], ClassificationEngine]

ENGINES: Mapping[str, Factory] = {
    "embedded": _embedded,
    "instructor": _instructor,
}
"""Name to what opens it; a module is imported only when its engine is chosen."""


def open_engine(name: str, options: EngineOptions | None = None) -> ClassificationEngine:
    """The engine of that name, loaded, with its fall-backs behind it where there are any.

    Raises ValueError with the names that exist for any other, and for options that cannot be kept, such as a model
    without a key; ImportError, saying which extra to install, where its libraries are missing.
    """
    options = options or EngineOptions()
    if name not in ENGINES:
        raise ValueError(f"there is no classification engine {name!r}; there is: {', '.join(sorted(ENGINES))}")
    budget = Budget(options.instructor.budget)
    fallbacks = options.fallbacks if name == "instructor" else ()
    sooner = replace(options, remaining_seconds=lambda: options.remaining_seconds() - RESERVE_SECONDS)
    opened = [ENGINES[name](sooner if fallbacks else options, options.instructor, budget)]
    for position, fallback in enumerate(fallbacks, start=1):
        kind = "embedded" if fallback == "embedded" else "instructor"
        own = options.instructor if isinstance(fallback, str) else fallback
        opened.append(ENGINES[kind](options if position == len(fallbacks) else sooner, own, budget))
    calibrated = [CalibratedEngine(engine, options.calibrations) for engine in opened]
    return calibrated[0] if len(calibrated) == 1 else FallingBack(calibrated)

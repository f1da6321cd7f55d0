"""What is counted, and the meter that counts it: plain data and a Protocol, so that domain code may count."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

CALL_BUCKETS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 20.0, 40.0, 80.0, 160.0, 320.0, 640.0)
"""Seconds: from a refusal at once to the longest call that settings allow by default, 600 s."""
WORK_BUCKETS = (0.001, 0.005, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0, 2.0, 5.0, 10.0, 20.0, 60.0, 120.0)
"""Seconds: from the engine that looks at nothing to the slowest decoding and describing."""
SIZE_BUCKETS = (1.0, 2.0, 4.0, 8.0, 16.0, 32.0, 64.0, 128.0)


@dataclass(frozen=True)
class Metric:
    """name: as it is scraped. help: one sentence. labels: names; each has few values, all known beforehand."""

    name: str
    help: str
    labels: tuple[str, ...] = ()


@dataclass(frozen=True)
class Counter(Metric):
    """Only grows. Its name ends in `_total`."""


@dataclass(frozen=True)
class Gauge(Metric):
    """A level: added to and taken from, or read when somebody asks."""


@dataclass(frozen=True)
class Histogram(Metric):
    """How values spread. buckets: upper bounds."""

    buckets: tuple[float, ...] = WORK_BUCKETS


class Meter(Protocol):
    """Counts. May be told on any thread."""

    def add(self, metric: Counter | Gauge, *labels: str, by: float = 1.0) -> None:
        """labels: values, in the order of the metric's names."""
        ...

    def observe(self, metric: Histogram, value: float, *labels: str) -> None:
        """One value more."""
        ...

    def watch(self, metric: Gauge, read: Callable[[], float], *labels: str) -> None:
        """From now on the level is what `read` returns, which is called on another thread whenever somebody asks."""
        ...


class NoMeter:
    """A `Meter` that nobody reads."""

    def add(self, metric: Counter | Gauge, *labels: str, by: float = 1.0) -> None:
        """Does nothing."""

    def observe(self, metric: Histogram, value: float, *labels: str) -> None:
        """Does nothing."""

    def watch(self, metric: Gauge, read: Callable[[], float], *labels: str) -> None:
        """Does nothing."""


NO_METER: Meter = NoMeter()

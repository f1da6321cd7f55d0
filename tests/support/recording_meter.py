"""A meter that keeps all that it was told."""

from __future__ import annotations

from collections.abc import Callable

from vidtomusictags.rpc.metrics import Counter, Gauge, Histogram, Metric


class RecordingMeter:
    """See `Meter`."""

    def __init__(self) -> None:
        self.told: list[tuple[str, tuple[str, ...], float]] = []
        self.watched: dict[tuple[str, ...], Callable[[], float]] = {}

    def add(self, metric: Counter | Gauge, *labels: str, by: float = 1.0) -> None:
        assert len(labels) == len(metric.labels)
        self.told.append((metric.name, labels, by))

    def observe(self, metric: Histogram, value: float, *labels: str) -> None:
        assert len(labels) == len(metric.labels)
        self.told.append((metric.name, labels, value))

    def watch(self, metric: Gauge, read: Callable[[], float], *labels: str) -> None:
        assert len(labels) == len(metric.labels)
        self.watched[metric.name, *labels] = read

    def observed(self, metric: Metric, *labels: str) -> list[float]:
        """Values of the metric, of those labels if any are named."""
        return [value for name, own, value in self.told if name == metric.name and labels in ((), own)]

    def sum(self, metric: Metric, *labels: str) -> float:
        """Of these values."""
        return sum(self.observed(metric, *labels))

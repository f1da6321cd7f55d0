"""Seconds and google.protobuf.Duration."""

from __future__ import annotations

from google.protobuf.duration_pb2 import Duration


def to_duration(seconds: float) -> Duration:
    """The Duration nearest to `seconds`, to the nanosecond."""
    duration = Duration()
    duration.FromNanoseconds(round(seconds * 1e9))
    return duration


def to_seconds(duration: Duration) -> float:
    """Seconds of a Duration; 0.0 for one that is not set."""
    return duration.seconds + duration.nanos / 1e9

"""What every service counts of its calls."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from google.protobuf.descriptor import ServiceDescriptor

from vidtomusictags.rpc.failures import known_reason, shedding_reasons
from vidtomusictags.rpc.file_metrics import FILE_METRICS
from vidtomusictags.rpc.metrics import CALL_BUCKETS, NO_METER, Counter, Gauge, Histogram, Meter
from vidtomusictags.rpc.span_metrics import SPANS
from vidtomusictags.version import VERSION

BUILD = Gauge("vidtags_build_info", "Always 1; what runs here.", ("service", "version"))
READY = Gauge("vidtags_ready", "Whether calls are taken: 1, or 0 while loading, restarting or draining.")
STARTED = Counter("vidtags_calls_started_total", "Calls that came in.", ("method",))
RUNNING = Gauge("vidtags_calls_running", "Calls that run now, refused ones until they are answered.", ("method",))
LIMIT = Gauge("vidtags_calls_limit", "Calls that may run at once; one more is refused.")
CALLS = Counter("vidtags_calls_total", "Calls that ended, by status code.", ("method", "code"))
SECONDS = Histogram(
    "vidtags_call_seconds", "From a call's beginning to its end.", ("method", "code"), buckets=CALL_BUCKETS
)
FAILURES = Counter("vidtags_failures_total", "Calls that failed, by the reason that their caller is told.", ("reason",))
SHEDS = Counter(
    "vidtags_sheds_total", "Calls refused for want of room, time or readiness, by the reason told.", ("reason",)
)
MESSAGES = Counter("vidtags_messages_total", "Messages of calls, received or sent.", ("method", "direction"))
CALL_METRICS = (BUILD, READY, STARTED, RUNNING, LIMIT, CALLS, SECONDS, FAILURES, SHEDS, MESSAGES, SPANS, *FILE_METRICS)


class CallMeter:
    """Counts the calls of one service. counted: facts of the log line that add up, by engine.

    Methods are those of the contract and reasons those of the table of failures, so that no caller can make up a
    series.
    """

    def __init__(self, meter: Meter, service: ServiceDescriptor, counted: Mapping[str, Counter]) -> None:
        self._meter = meter
        self._counted = counted
        meter.add(BUILD, service.name, VERSION)
        for method in service.methods:  # what has not happened yet is told as 0
            name = f"/{service.full_name}/{method.name}"
            meter.add(STARTED, name, by=0)
            meter.add(RUNNING, name, by=0)
            meter.add(CALLS, name, "OK", by=0)
        for reason in shedding_reasons():
            meter.add(SHEDS, reason, by=0)

    def watch(self, *, max_calls: int, ready: Callable[[], bool]) -> None:
        """max_calls: that may run at once. ready: whether calls are taken."""
        self._meter.watch(LIMIT, lambda: max_calls)
        self._meter.watch(READY, lambda: float(ready()))

    def began(self, method: str) -> None:
        """method: its full name."""
        self._meter.add(STARTED, method)
        self._meter.add(RUNNING, method)

    def ended(self, method: str, code: str, seconds: float, facts: Callable[[], Mapping[str, Any]]) -> None:
        """code: of the status. facts: what the log line says besides, gathered where any of it adds up."""
        meter = self._meter
        meter.add(RUNNING, method, by=-1)
        meter.add(CALLS, method, code)
        meter.observe(SECONDS, seconds, method, code)
        if not self._counted or meter is NO_METER:
            return
        told = facts()
        for name, counter in self._counted.items():
            if name in told:
                meter.add(counter, str(told.get("engine", "")), by=float(told[name]))

    def passed(self, method: str, direction: str) -> None:
        """direction: `received` or `sent`."""
        self._meter.add(MESSAGES, method, direction)

    def failed(self, reason: str, *, shed: bool) -> None:
        """reason: of the failure. shed: whether it is one of overload."""
        reason = known_reason(reason)
        self._meter.add(FAILURES, reason)
        if shed:
            self._meter.add(SHEDS, reason)

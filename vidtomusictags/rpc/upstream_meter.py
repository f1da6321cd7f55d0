"""Attempts at services that are not ours to run: counted by whom they went to, and shown in the trace of the call."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager

from vidtomusictags.rpc import failures
from vidtomusictags.rpc.failures import Failure, known_reason
from vidtomusictags.rpc.metrics import CALL_BUCKETS, Counter, Histogram
from vidtomusictags.rpc.telemetry import SILENT, Telemetry
from vidtomusictags.rpc.trace_context import outgoing_headers
from vidtomusictags.rpc.tracing import Attributes, Kind, Span

ATTEMPTS = Counter(
    "vidtags_upstream_attempts_total",
    "Requests to whoever does the work: captioners, classifiers, endpoints of models.",
    ("upstream",),
)
FAILURES = Counter("vidtags_upstream_failures_total", "Such requests that failed, by reason.", ("upstream", "reason"))
SECONDS = Histogram(
    "vidtags_upstream_seconds", "How long such a request took, failures included.", ("upstream",), buckets=CALL_BUCKETS
)
UPSTREAM_METRICS = (ATTEMPTS, FAILURES, SECONDS)

_MINDED = [
    kind.reason
    for kind in (
        failures.UpstreamUnavailable,
        failures.UpstreamRateLimited,
        failures.UpstreamAuth,
        failures.UpstreamQuota,
        failures.CredentialMissing,
        failures.CredentialInvalid,
        failures.CredentialExpired,
        failures.PermissionMissing,
    )
]
"""Told as 0 from the start: alerts ask for the increase of these, and of a series that begins with its first failure
Prometheus sees none."""


class Attempt:
    """One request. headers: the trace context to send with it."""

    def __init__(self, span: Span) -> None:
        self._span = span
        self.headers = outgoing_headers()
        self.reason = ""

    def set(self, attributes: Attributes) -> None:
        """Adds attributes to its span."""
        self._span.set(attributes)

    def failed(self, reason: str) -> None:
        """It failed, for a reason of the table of failures."""
        self.reason = reason
        self._span.fail(reason)


class UpstreamMeter:
    """Counts the attempts at one upstream, which has a name that settings give it."""

    def __init__(self, upstream: str, telemetry: Telemetry = SILENT) -> None:
        self._upstream = upstream
        self._telemetry = telemetry
        telemetry.meter.add(ATTEMPTS, upstream, by=0)
        for reason in _MINDED:
            telemetry.meter.add(FAILURES, upstream, reason, by=0)

    @contextmanager
    def attempt(self, name: str, attributes: Attributes | None = None) -> Iterator[Attempt]:
        """One more, for the length of the block; a Failure that leaves it is its reason. name: of its span."""
        meter, began = self._telemetry.meter, time.monotonic()
        meter.add(ATTEMPTS, self._upstream)
        with self._telemetry.tracer.span(name, attributes, kind=Kind.CLIENT) as span:
            attempt = Attempt(span)
            try:
                yield attempt
            except Failure as failure:
                attempt.reason = failure.reason
                raise
            finally:
                meter.observe(SECONDS, time.monotonic() - began, self._upstream)
                if attempt.reason:
                    meter.add(FAILURES, self._upstream, known_reason(attempt.reason))

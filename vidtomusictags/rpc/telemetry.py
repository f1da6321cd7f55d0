"""Who hears of what a service does."""

from __future__ import annotations

from dataclasses import dataclass

from vidtomusictags.rpc.metrics import NO_METER, Meter
from vidtomusictags.rpc.tracing import NO_TRACER, Tracer


@dataclass(frozen=True)
class Telemetry:
    """Metrics and traces; without anything given, nobody hears."""

    meter: Meter = NO_METER
    tracer: Tracer = NO_TRACER


SILENT = Telemetry()

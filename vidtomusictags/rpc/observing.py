"""Metrics and traces as the settings ask for them, for the length of a block."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager

from vidtomusictags.rpc.call_metrics import CALL_METRICS
from vidtomusictags.rpc.metrics import Metric
from vidtomusictags.rpc.prometheus import metering
from vidtomusictags.rpc.settings import HostSettings
from vidtomusictags.rpc.span_export import tracing
from vidtomusictags.rpc.telemetry import Telemetry


@asynccontextmanager
async def observing(settings: HostSettings, service: str, metrics: Sequence[Metric] = ()) -> AsyncIterator[Telemetry]:
    """What the settings ask for. service: its name in traces. metrics: the service's own, beside those of calls.

    Raises OSError for an address that cannot be had, ModuleNotFoundError for an extra that is not installed.
    """
    with metering(settings.metrics_listen, (*CALL_METRICS, *metrics)) as meter:
        async with tracing(
            settings.spans_to,
            service,
            settings.traces_sample_ratio,
            meter,
            trust_callers=settings.traces_trust_callers,
        ) as tracer:
            yield Telemetry(meter, tracer)

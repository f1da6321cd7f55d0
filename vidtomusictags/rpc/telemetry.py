"""Who hears of what a service does: metrics, for now."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass

from vidtomusictags.rpc.call_metrics import CALL_METRICS
from vidtomusictags.rpc.metrics import NO_METER, Meter, Metric
from vidtomusictags.rpc.prometheus import metering
from vidtomusictags.rpc.settings import HostSettings


@dataclass(frozen=True)
class Telemetry:
    """Without anything given, nobody hears."""

    meter: Meter = NO_METER


@asynccontextmanager
async def observing(settings: HostSettings, metrics: Sequence[Metric] = ()) -> AsyncIterator[Telemetry]:
    """What the settings ask for, for the length of the block. metrics: the service's own.

    Raises OSError for an address that cannot be had, ModuleNotFoundError for an extra that is not installed.
    """
    with metering(settings.metrics_listen, (*CALL_METRICS, *metrics)) as meter:
        yield Telemetry(meter)

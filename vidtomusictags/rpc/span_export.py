"""Where spans go: to a collector by OTLP over gRPC, from a thread of their own, and never in the way of a call."""

from __future__ import annotations

import asyncio
import logging
import threading
import time
import uuid
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import Any

import structlog

from vidtomusictags.rpc.metrics import Meter
from vidtomusictags.rpc.span_metrics import LOST, SENT, SPANS
from vidtomusictags.rpc.tracing import NO_TRACER, NoTracer, Tracer
from vidtomusictags.version import VERSION

log = structlog.get_logger()

FLUSH_SECONDS = 3.0
"""Longest that the end of a service waits for its last spans to leave."""
_COMPLAIN_SECONDS = 60.0
"""Between two log lines about a collector that does not take spans."""


class TellingExporter:
    """A span exporter that counts what became of spans, and logs now and then that they are lost.

    Its own library would write a line for every attempt, past our log.
    """

    def __init__(self, exporter: Any, meter: Meter) -> None:
        logging.getLogger("opentelemetry").setLevel(logging.CRITICAL + 1)
        self._exporter = exporter
        self._meter = meter
        self._complained_at = -_COMPLAIN_SECONDS

    def export(self, spans: Sequence[Any]) -> Any:
        """Called on the exporting thread."""
        result = self._exporter.export(spans)
        lost = result.name != "SUCCESS"
        self._meter.add(SPANS, LOST if lost else SENT, by=len(spans))
        if lost and time.monotonic() - self._complained_at >= _COMPLAIN_SECONDS:
            self._complained_at = time.monotonic()
            log.warning("spans lost", spans=len(spans))
        return result

    def shutdown(self) -> None:
        """Cuts what is on its way."""
        self._exporter.shutdown()

    def force_flush(self, timeout_millis: int = 0) -> bool:
        """Nothing is held here."""
        return True


@asynccontextmanager
async def tracing(
    endpoint: str, service: str, sample_ratio: float | None, meter: Meter, *, trust_callers: bool = True
) -> AsyncIterator[Tracer]:
    """A tracer whose spans go to `endpoint` for the length of the block; empty: one that makes none.

    endpoint: http://host:port, or https:// for TLS. service: as the spans name it. sample_ratio: share of the traces
    that begin here; those that begin elsewhere are followed as their caller decided. None: as OTEL_TRACES_SAMPLER says,
    else all. trust_callers: whether calls are part of the traces of their callers, or begin their own.
    Spans wait in a bounded queue and are dropped where it is full; at the end of the block the last ones have
    FLUSH_SECONDS to leave. Raises ModuleNotFoundError without the extra `tracing`.
    """
    if not endpoint:
        yield NO_TRACER if trust_callers else NoTracer(trust_callers=False)
        return
    try:
        from opentelemetry.exporter.otlp.proto.grpc.trace_exporter import OTLPSpanExporter  # noqa: PLC0415
        from opentelemetry.sdk.resources import OTELResourceDetector, Resource  # noqa: PLC0415
        from opentelemetry.sdk.trace import TracerProvider  # noqa: PLC0415
        from opentelemetry.sdk.trace.export import BatchSpanProcessor  # noqa: PLC0415
        from opentelemetry.sdk.trace.sampling import ParentBasedTraceIdRatio  # noqa: PLC0415

        from vidtomusictags.rpc.opentelemetry_tracer import OpenTelemetryTracer  # noqa: PLC0415
    except ModuleNotFoundError as error:
        raise ModuleNotFoundError("traces need more: pip install 'vidtomusictags[tracing]'", name=error.name) from None
    said = OTELResourceDetector().detect().attributes  # OTEL_SERVICE_NAME and OTEL_RESOURCE_ATTRIBUTES go first
    ours = {"service.name": f"vidtags-{service}", "service.version": VERSION, "service.instance.id": str(uuid.uuid4())}
    exporter = TellingExporter(OTLPSpanExporter(endpoint=endpoint), meter)
    processor = BatchSpanProcessor(exporter)  # type: ignore[arg-type]  # it has all that is called
    provider = TracerProvider(
        sampler=None if sample_ratio is None else ParentBasedTraceIdRatio(sample_ratio),
        resource=Resource.create({key: value for key, value in ours.items() if key not in said}),
        shutdown_on_exit=False,
    )
    provider.add_span_processor(processor)
    try:
        yield OpenTelemetryTracer(provider.get_tracer("vidtomusictags", VERSION), trust_callers=trust_callers)
    finally:
        await _flush(processor, exporter)


async def _flush(processor: Any, exporter: TellingExporter) -> None:
    """Not on the event loop's own threads, for whose end the process would wait without limit."""
    ending = threading.Thread(target=processor.shutdown, daemon=True)
    ending.start()
    await asyncio.to_thread(ending.join, FLUSH_SECONDS)
    if ending.is_alive():
        exporter.shutdown()

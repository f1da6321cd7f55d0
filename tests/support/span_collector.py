"""A collector of spans on loopback that speaks OTLP over gRPC and keeps what it is sent."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import grpc
from opentelemetry.proto.collector.trace.v1 import trace_service_pb2 as pb
from opentelemetry.proto.collector.trace.v1 import trace_service_pb2_grpc as pb_grpc


@dataclass
class Seen:
    """A span that arrived."""

    service: str
    name: str
    kind: str
    trace_id: str
    span_id: str
    parent_id: str
    error: bool
    links: list[tuple[str, str]]
    """Trace and span of each."""
    attributes: dict[str, Any]
    raw: bytes = field(repr=False)


class SpanCollector(pb_grpc.TraceServiceServicer):
    """hold: set to keep every exporter waiting."""

    def __init__(self) -> None:
        self.spans: list[Seen] = []
        self.address = ""
        self.hold = False
        self.asked = asyncio.Event()
        self._arrived = asyncio.Event()

    async def Export(self, request: pb.ExportTraceServiceRequest, context: Any) -> pb.ExportTraceServiceResponse:
        self.asked.set()
        if self.hold:
            await asyncio.Event().wait()
        for resource in request.resource_spans:
            about = {one.key: one.value.string_value for one in resource.resource.attributes}
            for span in (span for scope in resource.scope_spans for span in scope.spans):
                self.spans.append(
                    Seen(
                        about["service.name"],
                        span.name,
                        type(span).SpanKind.Name(span.kind).removeprefix("SPAN_KIND_"),
                        span.trace_id.hex(),
                        span.span_id.hex(),
                        span.parent_span_id.hex(),
                        span.status.code == 2,
                        [(link.trace_id.hex(), link.span_id.hex()) for link in span.links],
                        {one.key: _value(one.value) for one in span.attributes},
                        span.SerializeToString() + resource.resource.SerializeToString(),
                    )
                )
        self._arrived.set()
        return pb.ExportTraceServiceResponse()

    def of(self, trace_id: str) -> list[Seen]:
        """The spans of one trace."""
        return [span for span in self.spans if span.trace_id == trace_id]

    async def wait_for(self, name: str, *, trace_id: str = "", count: int = 1) -> list[Seen]:
        """Spans of that name, as soon as there are so many of them."""
        async with asyncio.timeout(30):
            while True:
                self._arrived.clear()
                found = [s for s in self.spans if s.name == name and trace_id in ("", s.trace_id)]
                if len(found) >= count:
                    return found
                await self._arrived.wait()


@asynccontextmanager
async def collecting() -> AsyncIterator[SpanCollector]:
    """Listens while the block runs."""
    collector = SpanCollector()
    server = grpc.aio.server()
    pb_grpc.add_TraceServiceServicer_to_server(collector, server)
    collector.address = f"http://127.0.0.1:{server.add_insecure_port('127.0.0.1:0')}"
    await server.start()
    try:
        yield collector
    finally:
        await server.stop(None)


def _value(value: Any) -> Any:
    return getattr(value, value.WhichOneof("value"))

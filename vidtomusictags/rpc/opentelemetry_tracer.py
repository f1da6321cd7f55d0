"""A tracer over OpenTelemetry's API.

The project's own instrumentation of grpc.aio (0.66b2) does not fit: it ends its spans by resetting context tokens,
which a handler's generator may do in another context (grpc/grpc#42295), it would follow health checks, too, and it does
not know the reason of a failure. That of httpx does not know httpx2, by which the openai client sends.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager

from opentelemetry import context as otel_context
from opentelemetry import trace
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

from vidtomusictags.rpc.failures import Failure
from vidtomusictags.rpc.trace_context import outgoing_headers, send_on
from vidtomusictags.rpc.tracing import Attributes, Kind

_PROPAGATOR = TraceContextTextMapPropagator()
_KINDS = {Kind.INTERNAL: trace.SpanKind.INTERNAL, Kind.CLIENT: trace.SpanKind.CLIENT}


class OpenTelemetrySpan:
    """See `Span`."""

    def __init__(self, span: trace.Span) -> None:
        self._span = span

    @property
    def trace_id(self) -> str:
        """See `Span`. That of a trace which is not sampled is told, too."""
        return trace.format_trace_id(self._span.get_span_context().trace_id)

    def set(self, attributes: Attributes) -> None:
        """See `Span`."""
        self._span.set_attributes(attributes)

    def fail(self, reason: str) -> None:
        """See `Span`. The failure's message stays out of it."""
        self._span.set_attribute("error.type", reason)
        self._span.set_status(trace.StatusCode.ERROR)


class OpenTelemetryTracer:
    """See `Tracer`.

    trust_callers: whether a call is part of the trace that its caller is in. Otherwise it begins a trace and is linked
    to its caller's, as OpenTelemetry has it for boundaries of trust
    (https://opentelemetry.io/docs/specs/otel/overview/#links-between-spans). Its id is then ours, too: a sampler by
    share goes by that, and callers could choose one that is always kept.
    """

    def __init__(self, tracer: trace.Tracer, *, trust_callers: bool = True) -> None:
        self._tracer = tracer
        self._trust_callers = trust_callers

    @contextmanager
    def serving(self, method: str, headers: Mapping[str, str]) -> Iterator[OpenTelemetrySpan]:
        """See `Tracer`. What becomes current here stays so: a call's task has a context of its own, and the end of a
        handler's generator may run in another one, where a token could not be reset."""
        name = method.removeprefix("/")
        nowhere = otel_context.Context()
        caller = _PROPAGATOR.extract(dict(headers), nowhere)
        span = self._tracer.start_span(
            name,
            context=caller if self._trust_callers else nowhere,
            links=() if self._trust_callers else _links_to(caller),
            kind=trace.SpanKind.SERVER,
            attributes={"rpc.system.name": "grpc", "rpc.method": name},
        )
        otel_context.attach(trace.set_span_in_context(span))
        send_on(_headers_of(span))
        try:
            yield OpenTelemetrySpan(span)
        finally:
            span.end()

    @contextmanager
    def span(
        self, name: str, attributes: Attributes | None = None, *, kind: Kind = Kind.INTERNAL
    ) -> Iterator[OpenTelemetrySpan]:
        """See `Tracer`."""
        before = outgoing_headers()
        with self._tracer.start_as_current_span(
            name, kind=_KINDS[kind], attributes=attributes, record_exception=False, set_status_on_exception=False
        ) as current:
            span = OpenTelemetrySpan(current)
            send_on(_headers_of(current))
            try:
                yield span
            except Failure as failure:
                span.fail(failure.reason)
                raise
            except Exception as error:
                span.fail(type(error).__name__)
                raise
            finally:
                send_on(before)


def _links_to(caller: otel_context.Context) -> list[trace.Link]:
    """To the span that the caller is in, if it is in one."""
    context = trace.get_current_span(caller).get_span_context()
    return [trace.Link(context)] if context.is_valid else []


def _headers_of(span: trace.Span) -> dict[str, str]:
    headers: dict[str, str] = {}
    _PROPAGATOR.inject(headers, trace.set_span_in_context(span, otel_context.Context()))
    return headers

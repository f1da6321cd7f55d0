"""Traces: a call is a span of its caller's trace, and a collector in trouble never hurts a call."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import AsyncGenerator
from typing import Any

import pytest
from log_lines import LogLines
from metrics_page import free_address, until_value
from scripted_server import NAME, Hosted, hosting, raising
from span_collector import SpanCollector, collecting

from vidtomusictags.captioner.v1 import captioner_pb2 as pb
from vidtomusictags.rpc.failures import UnknownTaxonomy, UpstreamUnavailable
from vidtomusictags.rpc.metrics import NO_METER
from vidtomusictags.rpc.span_export import tracing
from vidtomusictags.rpc.trace_context import outgoing_headers, read_headers, trace_id_of
from vidtomusictags.rpc.tracing import Tracer

TRACE, PARENT = "4bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b7"
TRACEPARENT = f"00-{TRACE}-{PARENT}-01"
SPAN = f"{NAME}/CaptionClip"


async def call(hosted: Hosted, request_id: str = "", **headers: str) -> None:
    config = pb.CaptionConfig(request_id=request_id)
    metadata = tuple((key.replace("_", "-"), value) for key, value in headers.items())
    await hosted.stub.CaptionClip(pb.CaptionClipRequest(config=config), metadata=metadata, timeout=20)


class Looking:
    """A script that looks at what would be sent on with a call."""

    def __init__(self) -> None:
        self.headers: dict[str, str] = {}

    async def __call__(self) -> None:
        self.headers = outgoing_headers()


@pytest.fixture
async def collector() -> Any:
    async with collecting() as collector:
        yield collector


class TestContext:
    """https://www.w3.org/TR/trace-context/#traceparent-header"""

    @pytest.mark.parametrize("given", [TRACEPARENT, f"00-{TRACE}-{PARENT}-00", f"cc-{TRACE}-{PARENT}-01-what-comes"])
    def test_what_the_standard_allows_is_followed(self, given: str) -> None:
        headers = read_headers([("traceparent", given), ("tracestate", "vendor=1"), ("baggage", "secret=1")])
        assert headers == {"traceparent": given, "tracestate": "vendor=1"}
        assert trace_id_of(headers) == TRACE

    @pytest.mark.parametrize(
        "given",
        [
            "",
            TRACE,
            f"ff-{TRACE}-{PARENT}-01",
            f"00-{'0' * 32}-{PARENT}-01",
            f"00-{TRACE}-{'0' * 16}-01",
            f"00-{TRACE.upper()}-{PARENT}-01",
            f'00-{TRACE}-{PARENT}-01\n{{"event":"forged"}}',
        ],
    )
    def test_what_it_does_not_allow_is_dropped(self, given: str) -> None:
        assert read_headers([("traceparent", given), ("tracestate", "vendor=1")]) == {}


class TestWithoutTracing:
    async def test_the_log_has_the_callers_trace_and_those_behind_are_told_of_it(
        self, hosted: Hosted, logs: LogLines
    ) -> None:
        sent_on: dict[str, str] = {}

        async def look() -> None:
            sent_on.update(outgoing_headers())

        hosted.script.on_clip = look
        await call(hosted, traceparent=TRACEPARENT, tracestate="vendor=1", baggage="customer=secret")
        (line,) = await logs.wait_for("answered")
        assert line["trace_id"] == TRACE
        assert sent_on == {"traceparent": TRACEPARENT, "tracestate": "vendor=1"}

    async def test_a_call_outside_of_any_trace_tells_none(self, hosted: Hosted, logs: LogLines) -> None:
        await call(hosted, traceparent="forged")
        (line,) = await logs.wait_for("answered")
        assert "trace_id" not in line

    async def test_an_id_in_a_header_is_there_before_the_request_is_read(self, logs: LogLines) -> None:
        async with hosting(ready=False) as hosted:
            with pytest.raises(Exception, match="still loading"):
                await call(hosted, x_request_id="from-envoy", traceparent=TRACEPARENT)
            (line,) = await logs.wait_for("answered")
        assert (line["request_id"], line["trace_id"], line["reason"]) == ("from-envoy", TRACE, "MODEL_LOADING")

    async def test_an_id_in_the_request_goes_before_the_headers(self, hosted: Hosted, logs: LogLines) -> None:
        await call(hosted, "mine", x_request_id="from-envoy")
        await call(hosted, x_request_id="from-envoy")
        await call(hosted, x_request_id="not fit for a line")
        lines = await logs.wait_for("answered", count=3)
        assert [line["request_id"] for line in lines][:2] == ["mine", "from-envoy"]
        assert len(lines[2]["request_id"]) == 36


class TestSpans:
    async def test_a_call_is_a_child_of_its_callers_span(self, collector: SpanCollector, logs: LogLines) -> None:
        async with hosting(traces_endpoint=collector.address) as hosted:
            await call(hosted, traceparent=TRACEPARENT)
        (span,) = collector.spans
        assert (span.name, span.kind, span.trace_id, span.parent_id) == (SPAN, "SERVER", TRACE, PARENT)
        assert span.attributes == {
            "rpc.system.name": "grpc",
            "rpc.method": SPAN,
            "rpc.response.status_code": "OK",
        }
        assert (span.service, span.error) == ("vidtags-scripted", False)
        (line,) = await logs.wait_for("answered")
        assert line["trace_id"] == TRACE

    async def test_a_call_outside_of_any_trace_begins_one(self, collector: SpanCollector, logs: LogLines) -> None:
        async with hosting(traces_endpoint=collector.address) as hosted:
            await call(hosted)
            await call(hosted)
        first, second = collector.spans
        assert first.parent_id == second.parent_id == ""
        assert first.trace_id != second.trace_id
        assert {line["trace_id"] for line in logs.of("answered")} == {first.trace_id, second.trace_id}

    async def test_a_failure_has_its_reason_and_not_its_message(self, collector: SpanCollector) -> None:
        async with hosting(traces_endpoint=collector.address) as hosted:
            for error in (UpstreamUnavailable("secret words"), UnknownTaxonomy("secret words"), RuntimeError("secret")):
                hosted.script.on_clip = raising(error)
                with pytest.raises(Exception, match=r"secret|server failed"):
                    await call(hosted)
        ours, theirs, unexpected = collector.spans
        assert (ours.error, ours.attributes["error.type"]) == (True, "UPSTREAM_UNAVAILABLE")
        assert (theirs.error, theirs.attributes["rpc.response.status_code"]) == (False, "NOT_FOUND")
        assert (unexpected.error, unexpected.attributes["error.type"]) == (True, "INTERNAL")
        assert not [span for span in collector.spans if b"secret" in span.raw]

    async def test_asking_for_health_makes_no_span(self, collector: SpanCollector) -> None:
        from grpc_health.v1 import health_pb2
        from stubs import health_stub

        async with hosting(traces_endpoint=collector.address) as hosted:
            await health_stub(hosted.channel).Check(health_pb2.HealthCheckRequest())
            await call(hosted)
        assert [span.name for span in collector.spans] == [SPAN]

    async def test_a_handlers_generator_may_end_in_another_context(self, collector: SpanCollector, caplog: Any) -> None:
        """As it does where gRPC drops one that waits for its message to be sent (grpc/grpc#42295)."""

        async def handler(tracer: Tracer) -> AsyncGenerator[int, None]:
            with tracer.serving("/p.S/M", {}):
                yield 1
                yield 2

        async with tracing(collector.address, "scripted", None, NO_METER) as tracer:
            caplog.set_level(logging.ERROR, "opentelemetry")
            call = handler(tracer)
            await asyncio.create_task(anext(call))  # type: ignore[arg-type]  # a coroutine of CPython's
            await asyncio.create_task(call.aclose())
        assert [span.name for span in collector.spans] == ["p.S/M"]
        assert caplog.records == []

    async def test_a_caller_that_leaves_a_stream_leaves_a_whole_span(
        self, collector: SpanCollector, logs: LogLines
    ) -> None:
        async with hosting(traces_endpoint=collector.address) as hosted:
            stream = hosted.stub.Caption(metadata=(("traceparent", TRACEPARENT),))
            await stream.write(pb.CaptionRequest(config=pb.CaptionConfig(request_id="leaves")))
            await stream.read()
            stream.cancel()
            await logs.wait_for("answered", request_id="leaves", trace_id=TRACE)
        (span,) = collector.spans
        assert (span.trace_id, span.attributes["rpc.response.status_code"]) == (TRACE, "CANCELLED")

    async def test_a_share_of_the_traces_that_begin_here_is_kept(self, collector: SpanCollector) -> None:
        async with hosting(traces_endpoint=collector.address, traces_sample_ratio=0.0) as hosted:
            await call(hosted)
            await call(hosted, traceparent=TRACEPARENT)
            await call(hosted, traceparent=f"00-{'a' * 32}-{PARENT}-00")
        assert [span.trace_id for span in collector.spans] == [TRACE]

    async def test_opentelemetrys_own_variables_turn_it_on(
        self, collector: SpanCollector, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", collector.address)
        monkeypatch.setenv("OTEL_SERVICE_NAME", "publisher-captioner")
        async with hosting() as hosted:
            await call(hosted)
        assert [span.service for span in collector.spans] == ["publisher-captioner"]


class TestStrangers:
    """Callers who are not to decide what is kept."""

    async def test_their_traces_are_linked_to_and_our_share_is_kept_whatever_they_say(
        self, collector: SpanCollector, logs: LogLines
    ) -> None:
        async with hosting(traces_endpoint=collector.address, traces_trust_callers=False) as hosted:
            hosted.script.on_clip = look = Looking()
            await call(hosted, traceparent=TRACEPARENT, tracestate="vendor=1")
            assert "tracestate" not in look.headers
            await call(hosted, traceparent=f"00-{TRACE}-{PARENT}-00")  # they do not keep it, we do
            await call(hosted)
        assert [span.links for span in collector.spans] == [[(TRACE, PARENT)], [(TRACE, PARENT)], []]
        assert {span.parent_id for span in collector.spans} == {""}
        own = [span.trace_id for span in collector.spans]
        assert len({TRACE, *own}) == 4
        assert [line["trace_id"] for line in logs.of("answered")] == own
        assert trace_id_of(look.headers) == own[-1]

    async def test_no_id_of_theirs_gets_into_our_share(self, collector: SpanCollector) -> None:
        strangers = {"traces_sample_ratio": 1e-9, "traces_trust_callers": False}
        async with hosting(traces_endpoint=collector.address, **strangers) as hosted:
            hosted.script.on_clip = look = Looking()
            await call(hosted, traceparent=f"00-{'0' * 31}1-{PARENT}-01")  # below any share
        assert collector.spans == []
        flags = look.headers["traceparent"].rpartition("-")[2]
        assert int(flags, 16) & 1 == 0  # nor is it kept by those behind

    async def test_without_tracing_nothing_of_theirs_is_passed_on(self, logs: LogLines) -> None:
        async with hosting(traces_trust_callers=False) as hosted:
            hosted.script.on_clip = look = Looking()
            await call(hosted, traceparent=TRACEPARENT)
        assert look.headers == {}
        (line,) = logs.of("answered")
        assert "trace_id" not in line


class TestTrouble:
    """A collector that is away, or hangs."""

    @pytest.mark.parametrize("hangs", [True, False])
    async def test_neither_calls_nor_the_end_wait_for_the_collector(
        self, hangs: bool, collector: SpanCollector, capfd: Any, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr("vidtomusictags.rpc.span_export.FLUSH_SECONDS", 0.5)
        collector.hold = hangs
        address = collector.address if hangs else f"http://{free_address()}"
        async with hosting(traces_endpoint=address) as hosted:
            async with asyncio.timeout(10):
                for _ in range(20):
                    await call(hosted)
            ending = time.monotonic()
        assert time.monotonic() - ending < 0.5 + 4  # an exporter that is waited for takes 10 s
        assert capfd.readouterr().err == ""

    async def test_lost_spans_are_counted_and_told_once(
        self, collector: SpanCollector, logs: LogLines, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv("OTEL_BSP_SCHEDULE_DELAY", "20")
        monkeypatch.setenv("OTEL_EXPORTER_OTLP_TIMEOUT", "1")
        metrics_at = free_address()
        async with hosting(traces_endpoint=f"http://{free_address()}", metrics_listen=metrics_at) as hosted:
            for number in range(2):
                await call(hosted)
                await until_value(metrics_at, number + 1, "vidtags_spans_total", outcome="lost")
        assert len(logs.of("spans lost")) == 1

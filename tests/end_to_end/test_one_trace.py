"""One clip is one trace through three real services and a model's endpoint, and one story in their logs and metrics."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import grpc
import pytest
from fake_openai import FakeOpenAI, fails, fake_openai, says
from log_lines import LogLines
from metrics_page import free_address, read, until_value
from span_collector import Seen, SpanCollector, collecting
from tagging_calls import tag_upload, tag_video

from captioner_service.app import running as running_captioner
from captioner_service.settings import CaptionerSettings
from classifier_service.app import running as running_classifier
from classifier_service.settings import ClassifierSettings
from gateway.app import running as running_gateway
from gateway.settings import GatewaySettings
from vidtomusictags.gateway.v1 import gateway_pb2_grpc

SERVICES = ("captioner", "classifier", "gateway")
TRACE, CALLER = "4bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b7"
TRACEPARENT = ("traceparent", f"00-{TRACE}-{CALLER}-01")
CAPTION, CLASSIFY = (
    "vidtomusictags.captioner.v1.CaptionerService/Caption",
    "vidtomusictags.classifier.v1.ClassifierService/Classify",
)
TAG = "vidtomusictags.gateway.v1.TaggingService/TagVideo"
NOT_JSON = says("Certainly! Here are some tags.")
NO_TAG = says({"tags": [], "no_suitable_tag": [], "key_information": [], "reasoning": "Nothing fits."})


@dataclass
class Fleet:
    """Three services that tell the collector, and what is around them."""

    stub: Any
    film: Path
    collector: SpanCollector
    provider: FakeOpenAI
    metrics_at: dict[str, str]


@pytest.fixture(scope="module")
async def fleet(tmp_path_factory: pytest.TempPathFactory, film: Path) -> AsyncIterator[Fleet]:
    async with AsyncExitStack() as stack:
        environment = stack.enter_context(pytest.MonkeyPatch.context())
        environment.setenv("OTEL_BSP_SCHEDULE_DELAY", "50")  # milliseconds; 5 s else
        collector = await stack.enter_async_context(collecting())
        provider = await stack.enter_async_context(fake_openai(fails(503), NOT_JSON, NO_TAG))
        metrics_at = {name: free_address() for name in SERVICES}

        def hosted(name: str) -> dict[str, Any]:
            return {
                "listen": "127.0.0.1:0",
                "drain_announce_seconds": 0,
                "traces_endpoint": collector.address,
                "metrics_listen": metrics_at[name],
            }

        captioner = await stack.enter_async_context(
            running_captioner(CaptionerSettings(**hosted("captioner"), engine="instant"))
        )
        classifier = await stack.enter_async_context(
            running_classifier(
                ClassifierSettings(**hosted("classifier"), base_url=provider.url, api_key="sk-secret-key", tries=3)
            )
        )
        settings = GatewaySettings(
            **hosted("gateway"),
            captioner=f"127.0.0.1:{captioner}",
            classifier=f"127.0.0.1:{classifier}",
            roots=(film.parent,),
            spool_directory=tmp_path_factory.mktemp("spool"),
            decode_workers=1,
        )
        gateway = await stack.enter_async_context(running_gateway(settings))
        channel = await stack.enter_async_context(grpc.aio.insecure_channel(f"127.0.0.1:{gateway}"))
        yield Fleet(gateway_pb2_grpc.TaggingServiceStub(channel), film, collector, provider, metrics_at)


@pytest.fixture(scope="module")
async def spans(fleet: Fleet) -> list[Seen]:
    """Of one clip: its trace, whole."""
    metadata = (TRACEPARENT, ("baggage", "customer=secret-baggage"))
    outcome = await tag_video(fleet.stub, f"file://{fleet.film}", request_id="one-clip", metadata=metadata)
    assert outcome.result
    await fleet.collector.wait_for(TAG, trace_id=TRACE)
    await fleet.collector.wait_for("tag", trace_id=TRACE)
    await fleet.collector.wait_for(CAPTION, trace_id=TRACE, count=2)
    await fleet.collector.wait_for(CLASSIFY, trace_id=TRACE, count=4)
    return fleet.collector.of(TRACE)


def path_of(span: Seen, spans: list[Seen]) -> list[str]:
    """Names from the root to the span."""
    by_id = {one.span_id: one for one in spans}
    path = [span.name]
    while span.parent_id != CALLER:
        span = by_id[span.parent_id]  # KeyError: the trace is in pieces
        path.append(span.name)
    return path[::-1]


async def test_every_span_hangs_together_under_the_callers(spans: list[Seen]) -> None:
    paths = sorted(" > ".join(path_of(span, spans)) for span in spans)
    model = "vidtomusictags.captioner.v1.CaptionerService/GetModel"
    chat = f"{TAG} > classify > {CLASSIFY} > {CLASSIFY} > tag > chat gpt-4o"
    assert paths == sorted(
        [
            TAG,
            *(f"{TAG} > {model}", f"{TAG} > {model} > {model}"),
            *(f"{TAG} > {CLASSIFY}", f"{TAG} > {CLASSIFY} > {CLASSIFY}"),  # validate_only, before any work
            f"{TAG} > sample",
            *(f"{TAG} > caption", f"{TAG} > caption > {CAPTION}", f"{TAG} > caption > {CAPTION} > {CAPTION}"),
            f"{TAG} > caption > {CAPTION} > {CAPTION} > describe",
            *(f"{TAG} > classify", f"{TAG} > classify > {CLASSIFY}", f"{TAG} > classify > {CLASSIFY} > {CLASSIFY}"),
            f"{TAG} > classify > {CLASSIFY} > {CLASSIFY} > tag",
            *(chat, chat, chat),
        ]
    )


async def test_each_service_made_its_own(spans: list[Seen]) -> None:
    kinds = {(span.service, span.kind, span.name.rpartition(".")[2]) for span in spans}
    assert {
        ("vidtags-gateway", "SERVER", "TaggingService/TagVideo"),
        ("vidtags-gateway", "CLIENT", "CaptionerService/Caption"),
        ("vidtags-captioner", "SERVER", "CaptionerService/Caption"),
        ("vidtags-captioner", "INTERNAL", "describe"),
        ("vidtags-gateway", "CLIENT", "ClassifierService/Classify"),
        ("vidtags-classifier", "SERVER", "ClassifierService/Classify"),
    } <= kinds


async def test_requests_to_the_model_are_in_the_trace_and_tell_it_so(spans: list[Seen], fleet: Fleet) -> None:
    failed, misread, answered = (span for span in spans if span.name == "chat gpt-4o")
    assert (failed.error, failed.attributes["error.type"]) == (True, "UPSTREAM_UNAVAILABLE")
    assert not misread.error and not answered.error
    assert answered.attributes["gen_ai.usage.input_tokens"] == 1000
    told = [exchange.headers["traceparent"].split("-")[1:3] for exchange in fleet.provider.exchanges]
    assert told == [[TRACE, span.span_id] for span in (failed, misread, answered)]
    assert not [exchange for exchange in fleet.provider.exchanges if "baggage" in exchange.headers]


async def test_what_was_done_is_told_and_nothing_of_what_was_seen_or_said(spans: list[Seen], fleet: Fleet) -> None:
    by_name = {span.name: span for span in spans}
    assert by_name["sample"].attributes["vidtags.sampler"] == "uniform"
    assert by_name["describe"].attributes["vidtags.frames"] == by_name["sample"].attributes["vidtags.frames"] == 8
    assert by_name["describe"].attributes["vidtags.generate_seconds"] > 0
    assert by_name["tag"].attributes["vidtags.attempts"] == 3
    sent = b"".join(span.raw for span in fleet.collector.spans)
    prompt = fleet.provider.exchanges[-1].messages[-1]["content"]
    for secret in ("secret", str(fleet.film.parent), "file:", "Certainly", "Nothing fits", prompt[:40]):
        assert secret.encode() not in sent


async def test_the_lines_of_the_clip_join_by_request_and_by_trace(fleet: Fleet, logs: LogLines) -> None:
    metadata = (("traceparent", f"00-{'b' * 32}-{CALLER}-01"),)
    outcome = await tag_video(fleet.stub, f"file://{fleet.film}", request_id="joined", metadata=metadata)
    assert outcome.result
    lines = await logs.wait_for("answered", count=4, request_id="joined", trace_id="b" * 32)
    methods = sorted(line["method"].rpartition(".")[2] for line in lines)
    assert methods == [
        "CaptionerService/Caption",
        "ClassifierService/Classify",
        "ClassifierService/Classify",
        "TaggingService/TagVideo",
    ]
    # Those that are about no clip, and were asked within the same call, too.
    everything = [line for line in logs.all if line.get("trace_id") == "b" * 32]
    assert {line["request_id"] for line in everything} == {"joined"}


async def test_every_service_counts_its_part(fleet: Fleet, spans: list[Seen]) -> None:
    uploaded = await tag_upload(fleet.stub, [fleet.film.read_bytes()])
    assert uploaded.result
    upload = "/vidtomusictags.gateway.v1.TaggingService/TagUpload"
    await until_value(fleet.metrics_at["gateway"], 1, "vidtags_calls_total", method=upload, code="OK")
    captioner, classifier, gateway = [
        await read(fleet.metrics_at[name]) for name in ("captioner", "classifier", "gateway")
    ]
    clips = captioner.value("vidtags_batch_clips_count")
    assert clips is not None and clips >= 2
    for name in ("vidtags_queue_seconds", "vidtags_first_text_seconds", "vidtags_generate_seconds"):
        assert captioner.value(f"{name}_count") == clips
    assert (captioner.value("vidtags_queue_length"), captioner.value("vidtags_slots_used")) == (0, 0)
    assert (captioner.value("vidtags_slots") or 0) >= 1
    assert captioner.value("vidtags_model_state", state="ready") == 1
    assert captioner.value("vidtags_model_state") == 1
    assert (captioner.value("vidtags_model_load_seconds") or 0) > 0

    asked = len(fleet.provider.exchanges)
    assert classifier.value("vidtags_upstream_attempts_total", upstream="openai/gpt-4o") == asked
    assert classifier.value("vidtags_upstream_failures_total", reason="UPSTREAM_UNAVAILABLE") == 1
    assert classifier.value("vidtags_attempts_total", engine="instructor") == asked
    assert classifier.value("vidtags_reasks_total") == 1
    assert classifier.value("vidtags_breaker_open", upstream="openai/gpt-4o") == 0
    assert (classifier.value("vidtags_usd_total") or 0) > 0

    assert gateway.value("vidtags_decode_seconds_count", sampler="uniform") == clips
    assert gateway.value("vidtags_upload_bytes_total") == fleet.film.stat().st_size  # a test may wait
    assert (gateway.value("vidtags_spool_limit_bytes") or 0) > 0
    assert gateway.value("vidtags_spool_bytes") == 0
    assert gateway.value("vidtags_upstream_failures_total", upstream="captioner") in (None, 0)
    assert (gateway.value("vidtags_upstream_attempts_total", upstream="captioner") or 0) >= clips

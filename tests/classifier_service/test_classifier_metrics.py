"""What answers cost adds up in metrics for Prometheus, where they are asked for."""

from __future__ import annotations

import grpc
import pytest
from metrics_page import free_address, read, until_value

from classifier_service.app import running
from classifier_service.settings import ClassifierSettings
from vidtomusictags.classifier.v1 import classifier_pb2 as pb
from vidtomusictags.classifier.v1.classifier_pb2_grpc import ClassifierServiceStub

pytestmark = pytest.mark.usefixtures("taxonomies_encoded_once")

CLASSIFY = "/vidtomusictags.classifier.v1.ClassifierService/Classify"


async def test_calls_and_their_cost_add_up() -> None:
    metrics_at = free_address()
    settings = ClassifierSettings(
        listen="127.0.0.1:0", engine="embedded", metrics_listen=metrics_at, drain_announce_seconds=0
    )
    async with running(settings) as port, grpc.aio.insecure_channel(f"127.0.0.1:{port}") as channel:
        stub = ClassifierServiceStub(channel)
        replies = [await stub.Classify(pb.ClassifyRequest(summary="A dog runs."), timeout=30) for _ in range(2)]
        with pytest.raises(grpc.aio.AioRpcError):
            await stub.Classify(pb.ClassifyRequest(summary=""), timeout=30)
        # The last is counted just after its caller has the answer.
        page = await until_value(metrics_at, 1, "vidtags_calls_total", method=CLASSIFY, code="INVALID_ARGUMENT")
    tokens = sum(reply.classification.usage.prompt_tokens for reply in replies)
    assert tokens > 0
    assert page.value("vidtags_prompt_tokens_total", engine="embedded") == tokens
    assert page.value("vidtags_attempts_total", engine="embedded") == 2
    assert page.value("vidtags_calls_total", method=CLASSIFY, code="OK") == 2
    assert page.value("vidtags_failures_total", reason="SUMMARY_INVALID") == 1
    with pytest.raises(OSError):
        await read(metrics_at)


async def test_without_an_address_nothing_is_counted(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("prometheus_client.start_http_server", lambda *_: pytest.fail("metrics are off"))
    settings = ClassifierSettings(listen="127.0.0.1:0", engine="embedded", drain_announce_seconds=0)
    async with running(settings):
        pass

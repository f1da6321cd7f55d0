"""What answers cost adds up in metrics for Prometheus, where they are asked for."""

from __future__ import annotations

import asyncio
import socket
import urllib.request

import grpc
import pytest
from prometheus_client.parser import text_string_to_metric_families

from classifier_service.app import running
from classifier_service.settings import ClassifierSettings
from vidtomusictags.classifier.v1 import classifier_pb2 as pb
from vidtomusictags.classifier.v1.classifier_pb2_grpc import ClassifierServiceStub


@pytest.fixture(name="metrics_at")
def _metrics_at() -> str:
    with socket.create_server(("127.0.0.1", 0)) as server:  # metrics listen where the settings say, nowhere else
        return f"127.0.0.1:{server.getsockname()[1]}"


def read(address: str) -> dict[tuple[str, str], float]:
    """Samples by name and by their `code` or `engine`."""
    with urllib.request.urlopen(f"http://{address}/metrics", timeout=5) as response:
        families = list(text_string_to_metric_families(response.read().decode()))
    samples = [sample for family in families for sample in family.samples]
    return {(s.name, s.labels.get("code") or s.labels.get("engine", "")): s.value for s in samples}


async def test_calls_and_their_cost_add_up(metrics_at: str) -> None:
    settings = ClassifierSettings(
        listen="127.0.0.1:0", engine="embedded", metrics_listen=metrics_at, drain_announce_seconds=0
    )
    async with running(settings) as port, grpc.aio.insecure_channel(f"127.0.0.1:{port}") as channel:
        stub = ClassifierServiceStub(channel)
        replies = [await stub.Classify(pb.ClassifyRequest(summary="A dog runs."), timeout=30) for _ in range(2)]
        with pytest.raises(grpc.aio.AioRpcError):
            await stub.Classify(pb.ClassifyRequest(summary=""), timeout=30)
        samples = await asyncio.to_thread(read, metrics_at)
    tokens = sum(reply.classification.usage.prompt_tokens for reply in replies)
    assert tokens > 0
    assert samples["vidtags_prompt_tokens_total", "embedded"] == tokens
    assert samples["vidtags_attempts_total", "embedded"] == 2
    assert samples["vidtags_calls_total", "OK"] == 2
    assert samples["vidtags_calls_total", "INVALID_ARGUMENT"] == 1
    with pytest.raises(OSError):
        await asyncio.to_thread(read, metrics_at)


async def test_without_an_address_nothing_is_counted(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("prometheus_client.start_http_server", lambda *_: pytest.fail("metrics are off"))
    settings = ClassifierSettings(listen="127.0.0.1:0", engine="embedded", drain_announce_seconds=0)
    async with running(settings):
        pass

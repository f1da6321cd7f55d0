"""When a classifier says that it is ready: not before a first question would be answered at once."""

from __future__ import annotations

import asyncio
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import grpc
import pytest
from grpc_health.v1 import health_pb2, health_pb2_grpc

from classifier_service import app
from classifier_service.engines import ENGINES
from classifier_service.engines.embedded import EmbeddedEngine
from classifier_service.engines.embedded import taxonomy_encoding as encoding
from classifier_service.engines.engine import Answer, EngineCard, Question
from classifier_service.settings import ClassifierSettings
from classifier_service.taxonomy import Tag, Taxonomy
from vidtomusictags.classifier.v1 import classifier_pb2, classifier_pb2_grpc
from vidtomusictags.rpc.failures import Loading
from vidtomusictags.rpc.status import from_rpc_error


class Learning:
    """Takes as long to learn a taxonomy as the test wants."""

    card = EngineCard("learning", "learning", "1")

    def __init__(self) -> None:
        self.begun: asyncio.Queue[str] = asyncio.Queue()
        self.learnt = asyncio.Event()

    async def prepare(self, taxonomy: Taxonomy) -> None:
        self.begun.put_nowait(taxonomy.id)
        await self.learnt.wait()

    async def classify(self, question: Question) -> Answer:
        return Answer((), (), "")

    async def close(self) -> None:
        pass


@pytest.fixture
def learning(monkeypatch: pytest.MonkeyPatch) -> Learning:
    engine = Learning()
    monkeypatch.setitem(ENGINES, "learning", lambda *_: engine)  # type: ignore[arg-type]  # a dict, to all who look
    return engine


async def test_a_classifier_that_still_learns_its_taxonomy_is_not_ready_and_says_so(
    learning: Learning, tmp_path: Path
) -> None:
    settings = ClassifierSettings(listen=f"unix:{tmp_path}/socket", engine="learning", drain_announce_seconds=0.0)
    ready = asyncio.Event()
    async with AsyncExitStack() as stack:

        async def run() -> None:
            await stack.enter_async_context(app.running(settings))
            ready.set()

        starting = asyncio.create_task(run())
        async with asyncio.timeout(30):
            assert await learning.begun.get() == "music-moods"
        channel = await stack.enter_async_context(grpc.aio.insecure_channel(settings.listen))
        stub: Any = health_pb2_grpc.HealthStub(channel)
        answer = await stub.Check(health_pb2.HealthCheckRequest(service="readiness"), wait_for_ready=True)
        assert answer.status == health_pb2.HealthCheckResponse.NOT_SERVING
        with pytest.raises(grpc.RpcError) as refused:
            await classifier_pb2_grpc.ClassifierServiceStub(channel).Classify(
                classifier_pb2.ClassifyRequest(summary="A dog.")
            )
        assert isinstance(from_rpc_error(refused.value), Loading)
        assert not ready.is_set()

        learning.learnt.set()
        await starting
        answer = await stub.Check(health_pb2.HealthCheckRequest(service="readiness"))
        assert answer.status == health_pb2.HealthCheckResponse.SERVING


async def test_a_taxonomy_that_takes_too_long_is_learnt_while_calls_come_in(
    learning: Learning, monkeypatch: pytest.MonkeyPatch, logs: Any
) -> None:
    monkeypatch.setattr(app, "PREPARING_SECONDS", 0.01)
    settings = ClassifierSettings(listen="127.0.0.1:0", engine="learning", drain_announce_seconds=0.0)
    async with app.running(settings):
        assert [line["taxonomy"] for line in logs.of("still preparing")] == ["music-moods"]


async def test_the_embedded_engine_encodes_nothing_more_for_a_taxonomy_it_was_prepared_for(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    taxonomy = Taxonomy("small", "1.0.0", tags=(Tag("a", "Dogs"),))
    engine = EmbeddedEngine()
    try:
        await engine.prepare(taxonomy)
        monkeypatch.delattr(encoding, "embed")
        answer = await engine.classify(Question("A dog runs.", taxonomy, frozenset({"a"}), 1, min_confidence=0.0))
    finally:
        await engine.close()
    assert [tag.id for tag in answer.tags] == ["a"]

"""A gateway between two fakes, once for all tests; each test finds the fakes as they were at first."""

from __future__ import annotations

import shutil
from collections.abc import AsyncIterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import grpc
import pytest
from fake_upstreams import FakeCaptioner, FakeClassifier, serving_captioner, serving_classifier

from gateway.app import running
from gateway.settings import GatewaySettings
from vidtomusictags.gateway.v1 import gateway_pb2_grpc

FREE_OF_WAITS: dict[str, Any] = {
    "listen": "127.0.0.1:0",
    "drain_announce_seconds": 0.0,
    "drain_grace_seconds": 2.0,
    "decode_workers": 1,
    "upstream_attempts": 2,
}


@dataclass
class Gateway:
    """A gateway that listens, and what is around it."""

    port: int
    stub: Any
    captioner: FakeCaptioner
    classifier: FakeClassifier
    root: Path
    spool: Path

    @property
    def left_on_disk(self) -> list[Path]:
        """Uploads that are still there."""
        return [path for path in self.spool.rglob("*") if path.is_file() and path.name != "lock"]


@asynccontextmanager
async def gateway_between(
    captioner: FakeCaptioner,
    classifier: FakeClassifier,
    directory: Path,
    hosted: Mapping[str, Any] | None = None,
    **settings: Any,
) -> AsyncIterator[Gateway]:
    """hosted: settings of both fakes."""
    root, spool = directory / "root", directory / "spool"
    root.mkdir(exist_ok=True)
    async with AsyncExitStack() as stack:
        captioner_port = await stack.enter_async_context(serving_captioner(captioner, **hosted or {}))
        classifier_port = await stack.enter_async_context(serving_classifier(classifier, **hosted or {}))
        upstreams = {"captioner": f"127.0.0.1:{captioner_port}", "classifier": f"127.0.0.1:{classifier_port}"}
        places = {"roots": (root,), "spool_directory": spool}
        port = await stack.enter_async_context(
            running(GatewaySettings(**FREE_OF_WAITS | upstreams | places | settings))
        )
        channel = await stack.enter_async_context(grpc.aio.insecure_channel(f"127.0.0.1:{port}"))
        stub = gateway_pb2_grpc.TaggingServiceStub(channel)
        yield Gateway(port, stub, captioner, classifier, root, spool)


@pytest.fixture(scope="session")
async def shared_gateway(tmp_path_factory: pytest.TempPathFactory, film: Path) -> AsyncIterator[Gateway]:
    directory = tmp_path_factory.mktemp("gateway")
    room = {"max_upload_bytes": 1 << 20, "max_spool_bytes": 3 << 20, "max_calls": 3}
    async with gateway_between(FakeCaptioner(), FakeClassifier(), directory, heartbeat_seconds=0.05, **room) as gateway:
        shutil.copy(film, gateway.root / "film.mp4")
        yield gateway


@pytest.fixture
async def gateway(shared_gateway: Gateway) -> Gateway:
    """With its fakes as they were at first."""
    shared_gateway.captioner.forget()
    shared_gateway.classifier.forget()
    return shared_gateway


@pytest.fixture(scope="session")
def gateway_with() -> Any:
    """Starts a gateway of a test's own, with other settings."""
    return gateway_between

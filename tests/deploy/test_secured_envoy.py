"""The edge before a gateway that wants TLS and certificates: both show theirs, and renew them without a restart."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx
import trustme
from envoy_edge import Edge, require_envoy, running_edge
from fake_upstreams import FakeCaptioner, FakeClassifier, serving_captioner, serving_classifier
from mounted_secret import certificate_secret, mount

from gateway.app import running
from gateway.settings import GatewaySettings

HANDSHAKES = "cluster.gateway.ssl.handshake"


@dataclass
class Secured:
    """An edge and a gateway, each with a folder as a mounted secret: tls.crt, tls.key and ca.crt."""

    edge: Edge
    of_edge: Path
    of_gateway: Path
    film: str

    async def tag(self) -> httpx.Response:
        async with httpx.AsyncClient(base_url=f"http://{self.edge.places['plaintext']}", timeout=60) as http:
            return await http.post("/v1/videos:tag", json={"uri": self.film})

    async def until_connected_anew(self) -> None:
        """Waits for two more handshakes: connections, those of health checks too, end after a second."""
        before = await self.edge.count(HANDSHAKES)
        async with asyncio.timeout(60):
            while await self.edge.count(HANDSHAKES) < before + 2:  # noqa: ASYNC110  # Envoy tells nobody
                await asyncio.sleep(0.05)


@asynccontextmanager
async def secured(directory: Path, film: Path, *, gateway_is: str = "gateway") -> AsyncIterator[Secured]:
    """gateway_is: the name in the gateway's certificate."""
    require_envoy()
    of_edge, of_gateway, authority = directory / "of-edge", directory / "of-gateway", trustme.CA()
    of_edge.mkdir()
    of_gateway.mkdir()
    mount(certificate_secret(authority, gateway_is), of_gateway)
    mount(certificate_secret(authority, "edge"), of_edge)
    async with AsyncExitStack() as stack:
        captioner = await stack.enter_async_context(serving_captioner(FakeCaptioner()))
        classifier = await stack.enter_async_context(serving_classifier(FakeClassifier()))
        settings = GatewaySettings(
            listen="127.0.0.1:0",
            tls_certificate=of_gateway / "tls.crt",
            tls_key=of_gateway / "tls.key",
            tls_client_ca=of_gateway / "ca.crt",
            captioner=f"127.0.0.1:{captioner}",
            classifier=f"127.0.0.1:{classifier}",
            roots=(film.parent,),
            spool_directory=directory,
            decode_workers=1,
            drain_announce_seconds=0,
            max_connection_age_seconds=1,
        )
        port = await stack.enter_async_context(running(settings))
        edge = await stack.enter_async_context(running_edge(directory, {"gateway": [port]}, upstream=of_edge))
        yield Secured(edge, of_edge, of_gateway, f"file://{film}")


async def test_a_clip_is_tagged_and_goes_on_being_tagged_under_another_authority(film: Path, tmp_path: Path) -> None:
    async with secured(tmp_path, film) as platform:
        await platform.edge.until("gateway", [True])
        assert (await platform.tag()).status_code == 200
        another = trustme.CA()
        mount(certificate_secret(another, "gateway"), platform.of_gateway)
        mount(certificate_secret(another, "edge"), platform.of_edge)
        await platform.until_connected_anew()  # neither side knows the other by the old authority any more
        await platform.edge.until("gateway", [True])
        assert (await platform.tag()).status_code == 200


async def test_callers_of_tls_are_answered_once_a_certificate_is_there(tmp_path: Path) -> None:
    tls, authority = tmp_path / "tls", trustme.CA()
    tls.mkdir()
    async with running_edge(tmp_path, {}, tls=tls) as edge:
        mount(certificate_secret(authority, "localhost"), tls)
        trusting = ssl.create_default_context(cadata=authority.cert_pem.bytes().decode())
        port = edge.places["tls"].rpartition(":")[2]
        async with asyncio.timeout(60), httpx.AsyncClient(verify=trusting) as http:
            while True:
                try:
                    assert (await http.get(f"https://localhost:{port}/healthz")).status_code == 503  # no gateway
                    break
                except httpx.TransportError:
                    await asyncio.sleep(0.05)


async def test_a_service_with_the_certificate_of_another_gets_no_calls(film: Path, tmp_path: Path) -> None:
    async with secured(tmp_path, film, gateway_is="classifier") as platform:
        async with asyncio.timeout(60):
            while not await platform.edge.count("cluster.gateway.ssl.fail_verify_san"):  # noqa: ASYNC110  # as above
                await asyncio.sleep(0.05)
        await platform.edge.until("gateway", [False])
        assert (await platform.tag()).status_code == 503


async def test_an_edge_with_the_certificate_of_a_stranger_gets_through_to_no_service(
    film: Path, tmp_path: Path
) -> None:
    async with secured(tmp_path, film) as platform:
        await platform.edge.until("gateway", [True])
        known = (platform.of_edge / "ca.crt").read_bytes()
        mount(certificate_secret(trustme.CA(), "edge") | {"ca.crt": known}, platform.of_edge)
        await platform.edge.until("gateway", [False])
        assert (await platform.tag()).status_code == 503

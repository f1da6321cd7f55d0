"""The edge of deploy/envoy: callers of HTTP, JSON and gRPC-Web, balanced gateways, certificates that are renewed."""

from __future__ import annotations

import asyncio
import json
import re
import shutil
import ssl
import struct
import subprocess
import sys
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import grpc
import httpx
import pytest
import trustme
from envoy_edge import ENVOY, Edge, placed, require_envoy, running_edge
from fake_upstreams import FakeCaptioner, FakeClassifier, serving_captioner, serving_classifier
from mounted_secret import certificate_secret, mount

from gateway.app import running
from gateway.settings import GatewaySettings
from vidtomusictags.gateway.v1 import gateway_pb2 as pb
from vidtomusictags.gateway.v1 import gateway_pb2_grpc

ROOT = Path(__file__).parents[2]
ORIGIN = "http://localhost:3000"
TAG_VIDEO = "/vidtomusictags.gateway.v1.TaggingService/TagVideo"


@dataclass
class Platform:
    """Two gateways with a captioner each, one classifier, and the edge before them."""

    edge: Edge
    http: httpx.AsyncClient
    captioners: list[FakeCaptioner]
    second: AsyncExitStack
    film: str
    tls: Path
    authority: trustme.CA

    async def tag(self, **request: Any) -> httpx.Response:
        return await self.http.post("/v1/videos:tag", json=request)


@pytest.fixture(scope="module", name="platform")
async def _platform(tmp_path_factory: pytest.TempPathFactory, film: Path) -> AsyncIterator[Platform]:
    require_envoy()
    directory = tmp_path_factory.mktemp("edge")
    root, tls, authority = directory / "root", directory / "tls", trustme.CA()
    root.mkdir()
    tls.mkdir()
    shutil.copy(film, root / "film.mp4")
    mount(certificate_secret(authority, "localhost"), tls)
    captioners = [FakeCaptioner(), FakeCaptioner()]
    async with AsyncExitStack() as stack:
        classifier = await stack.enter_async_context(serving_classifier(FakeClassifier()))
        second = await stack.enter_async_context(AsyncExitStack())
        ports, served = [], []
        for place, (fake, own) in enumerate(zip(captioners, (stack, second), strict=True)):
            served.append(await stack.enter_async_context(serving_captioner(fake)))
            settings = GatewaySettings(
                listen="127.0.0.1:0",
                captioner=f"127.0.0.1:{served[-1]}",
                classifier=f"127.0.0.1:{classifier}",
                roots=(root,),
                spool_directory=directory / f"spool-{place}",
                decode_workers=1,
                drain_announce_seconds=3 * place,  # the second one is watched while it goes
            )
            ports.append(await own.enter_async_context(running(settings)))
        replicas = {"gateway": ports, "captioner": served, "classifier": [classifier]}
        edge = await stack.enter_async_context(running_edge(directory, replicas, tls))
        for cluster, found in replicas.items():
            await edge.until(cluster, [True] * len(found))
        http = httpx.AsyncClient(base_url=f"http://{edge.places['plaintext']}", timeout=60)
        await stack.enter_async_context(http)
        yield Platform(edge, http, captioners, second, f"file://{root / 'film.mp4'}", tls, authority)


async def test_a_caller_of_http_tags_a_clip_and_reads_events_line_by_line(platform: Platform) -> None:
    lines, types = [], []
    request = {"request_id": "over-http", "uri": platform.film, "options": {"text_deltas": True}}
    async with platform.http.stream("POST", "/v1/videos:tag", json=request) as response:
        types.append((response.status_code, response.headers["content-type"]))
        lines = [json.loads(line)["event"] async for line in response.aiter_lines() if line]
    assert types == [(200, "application/json")]
    assert lines[0]["accepted"]["request_id"] == "over-http"
    assert [line["sequence"] for line in lines] == [str(number) for number in range(1, len(lines) + 1)]
    assert any("text_delta" in line for line in lines)
    tag = lines[-1]["result"]["classification"]["tags"][0]
    assert (tag["id"], tag["evidence"][0]["quote"]) == ("nature", "forest")


async def test_an_event_reaches_the_caller_of_http_while_the_work_goes_on(platform: Platform) -> None:
    released = asyncio.Event()
    for fake in platform.captioners:
        fake.on_frames = released.wait  # type: ignore[assignment]
    try:
        async with platform.http.stream("POST", "/v1/videos:tag", json={"uri": platform.film}) as response:
            lines = response.aiter_lines()
            async for line in lines:
                if line:
                    assert "accepted" in json.loads(line)["event"]
                    break
            released.set()
            assert "result" in [line async for line in lines if line][-1]
    finally:
        released.set()
        for fake in platform.captioners:
            fake.forget()


async def test_a_summary_is_classified_by_one_post(platform: Platform) -> None:
    response = await platform.http.post(
        "/v1/summaries:classify", json={"summary": "A quiet forest.", "taxonomy_id": "music-moods"}
    )
    assert response.status_code == 200
    assert response.json()["classification"]["tags"][0]["label"] == "Nature"


async def test_the_model_is_asked_for_by_get(platform: Platform) -> None:
    response = await platform.http.get("/v1/model")
    assert (response.status_code, response.json()["model"]) == (200, "fake")


@pytest.mark.parametrize(
    ("path", "body", "status", "reason", "field"),
    [
        ("/v1/videos:tag", {"uri": "ftp://host/film.mp4"}, 400, "URI_INVALID", "uri"),
        (
            "/v1/summaries:classify",
            {"summary": "A forest.", "taxonomy_id": "none"},
            404,
            "TAXONOMY_UNKNOWN",
            "taxonomy_id",
        ),
    ],
)
async def test_a_failure_is_google_rpc_status_in_json(
    platform: Platform, path: str, body: dict[str, str], status: int, reason: str, field: str
) -> None:
    response = await platform.http.post(path, json=body)
    assert response.status_code == status
    details = {detail["@type"].rpartition(".")[2]: detail for detail in response.json()["details"]}
    assert details["ErrorInfo"]["reason"] == reason
    assert details["BadRequest"]["field_violations"][0]["field"] == field
    assert response.json()["message"]


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [("POST", "/v1/nothing", 404), ("GET", "/v1/model?what=ever", 400), ("GET", "/v1/videos:tag", 404)],
)
async def test_what_is_not_served_is_refused_by_the_edge(
    platform: Platform, method: str, path: str, status: int
) -> None:
    assert (await platform.http.request(method, path)).status_code == status


async def test_the_commands_of_the_guide_do_what_it_says(platform: Platform) -> None:
    if not shutil.which("curl"):
        pytest.skip("needs curl")
    commands = re.findall(r"^curl .*:8080/.*$", (ROOT / "docs/operations.md").read_text(), re.M)
    printed = []
    for command in commands:
        here = command.replace("localhost:8080", platform.edge.places["plaintext"])
        here = here.replace("file:///clips/holiday.mp4", platform.film)
        process = await asyncio.create_subprocess_shell(here, stdout=asyncio.subprocess.PIPE)
        output, _ = await process.communicate()
        printed.append([json.loads(line) for line in output.decode().splitlines() if line])
    events, [classified], [model] = printed
    assert "accepted" in events[0]["event"] and "result" in events[-1]["event"]
    assert classified["classification"]["tags"][0]["id"] == "nature"
    assert model["model"] == "fake"


async def test_a_page_in_a_browser_calls_by_grpc_web(platform: Platform) -> None:
    allowed = await platform.http.options(
        TAG_VIDEO, headers={"origin": ORIGIN, "access-control-request-method": "POST"}
    )
    assert (allowed.status_code, allowed.headers["access-control-allow-origin"]) == (200, ORIGIN)
    request = pb.TagVideoRequest(uri=platform.film).SerializeToString()
    response = await platform.http.post(
        TAG_VIDEO,
        content=struct.pack(">BI", 0, len(request)) + request,
        headers={"content-type": "application/grpc-web+proto", "x-grpc-web": "1", "origin": ORIGIN},
    )
    *messages, (flag, trailers) = _grpc_web_frames(response.content)
    assert (flag, trailers.decode().split("\r\n")[0]) == (0x80, "grpc-status:0")
    events = [pb.TagVideoResponse.FromString(data).event for _, data in messages]
    assert events[-1].result.classification.tags[0].id == "nature"
    assert "grpc-status-details-bin" in response.headers["access-control-expose-headers"]


async def test_a_page_of_a_stranger_is_not_let_in(platform: Platform) -> None:
    response = await platform.http.options(
        TAG_VIDEO, headers={"origin": "https://evil.example", "access-control-request-method": "POST"}
    )
    assert "access-control-allow-origin" not in response.headers


async def test_prometheus_reads_the_numbers_of_the_edge_and_reaches_nothing_else_of_it(platform: Platform) -> None:
    async with httpx.AsyncClient(base_url=f"http://{platform.edge.places['metrics']}", timeout=60) as http:
        numbers = (await http.get("/metrics")).text
        assert 'envoy_cluster_membership_healthy{envoy_cluster_name="gateway"} 2' in numbers
        assert [(await http.get(path)).status_code for path in ("/", "/config_dump", "/metrics/../config_dump")] == [
            404
        ] * 3
        assert (await http.post("/metrics")).status_code == 404


async def test_a_renewed_certificate_is_shown_without_a_restart(platform: Platform) -> None:
    first = await _certificate_of(platform)
    mount(certificate_secret(platform.authority, "localhost"), platform.tls)
    async with asyncio.timeout(30):
        while await _certificate_of(platform) == first:  # noqa: ASYNC110  # Envoy tells nobody
            await asyncio.sleep(0.05)


async def test_calls_of_one_channel_are_spread_over_the_gateways(platform: Platform) -> None:
    _forget(platform)
    credentials = grpc.ssl_channel_credentials(_pem(platform.authority))
    async with grpc.aio.secure_channel(f"localhost:{_port(platform)}", credentials) as channel:
        stub = gateway_pb2_grpc.TaggingServiceStub(channel)  # type: ignore[no-untyped-call]
        for _ in range(16):
            events = [event async for event in stub.TagVideo(pb.TagVideoRequest(uri=platform.film), timeout=30)]
            assert events[-1].event.HasField("result")
    assert [len(fake.configs) for fake in platform.captioners] != [16, 0]
    assert sum(len(fake.configs) for fake in platform.captioners) == 16
    assert all(fake.configs for fake in platform.captioners)


async def test_a_gateway_that_says_it_is_going_gets_no_more_calls(platform: Platform) -> None:
    """The last test of this file: the second gateway does not come back."""
    _forget(platform)
    going = asyncio.create_task(platform.second.aclose())  # says NOT_SERVING, and takes calls for three seconds more
    await platform.edge.until("gateway", [True, False])
    for _ in range(16):
        assert (await platform.tag(uri=platform.film)).status_code == 200
    assert [len(fake.configs) for fake in platform.captioners] == [16, 0]
    await going


def test_every_rule_for_http_is_of_a_method_and_every_method_that_json_can_carry_has_one() -> None:
    sys.path.insert(0, str(ROOT / "deploy/envoy"))
    try:
        from descriptors import descriptor_set, read_rules
    finally:
        sys.path.remove(str(ROOT / "deploy/envoy"))
    rules = read_rules()
    methods = {
        f"{file.package}.{service.name}.{method.name}"
        for file in descriptor_set(rules).file
        for service in file.service
        for method in service.method
        if not method.client_streaming
    }
    assert set(rules) == methods
    with pytest.raises(ValueError, match=r"do not exist: a\.B\.C"):
        descriptor_set({"a.B.C": next(iter(rules.values()))})


def _port(platform: Platform) -> str:
    return platform.edge.places["tls"].rpartition(":")[2]


def _pem(authority: trustme.CA) -> bytes:
    return authority.cert_pem.bytes()


async def _certificate_of(platform: Platform) -> bytes | None:
    trusting = ssl.create_default_context(cadata=_pem(platform.authority).decode())
    _, writer = await asyncio.open_connection("127.0.0.1", _port(platform), ssl=trusting, server_hostname="localhost")
    found: bytes | None = writer.get_extra_info("ssl_object").getpeercert(binary_form=True)
    writer.close()
    await writer.wait_closed()
    return found


def _forget(platform: Platform) -> None:
    for fake in platform.captioners:
        fake.forget()


def _grpc_web_frames(body: bytes) -> list[tuple[int, bytes]]:
    frames = []
    while body:
        flag, length = struct.unpack_from(">BI", body)
        frames.append((flag, body[5 : 5 + length]))
        body = body[5 + length :]
    return frames


@pytest.mark.parametrize("secured", [False, True])
def test_the_configuration_is_accepted_as_it_stands(tmp_path: Path, secured: bool) -> None:
    """Only where files lie differs."""
    require_envoy()
    mount(certificate_secret(trustme.CA(), "edge"), tmp_path)
    written = placed(tmp_path, tls=tmp_path, upstream=tmp_path if secured else None)
    checked = subprocess.run([ENVOY, "--mode", "validate", "-c", written], capture_output=True, text=True, check=False)
    assert checked.returncode == 0, checked.stderr

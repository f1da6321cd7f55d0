"""The port for probes: the same health, and nothing else."""

from __future__ import annotations

from collections.abc import AsyncIterator

import grpc
import pytest
from grpc_health.v1 import health_pb2
from scripted_server import NAME, Hosted, hosting
from stubs import health_stub

from vidtomusictags.captioner.v1 import captioner_pb2 as pb
from vidtomusictags.captioner.v1 import captioner_pb2_grpc

SERVING = health_pb2.HealthCheckResponse.SERVING
NOT_SERVING = health_pb2.HealthCheckResponse.NOT_SERVING


@pytest.fixture
async def loading() -> AsyncIterator[tuple[Hosted, grpc.aio.Channel]]:
    """A server that loads, and a channel to its port for probes."""
    async with (
        hosting(ready=False, health_listen="127.0.0.1:0") as hosted,
        grpc.aio.insecure_channel(f"127.0.0.1:{hosted.host.health_port}") as channel,
    ):
        yield hosted, channel


async def test_the_port_for_probes_tells_the_health_of_the_server(loading: tuple[Hosted, grpc.aio.Channel]) -> None:
    hosted, channel = loading
    health = health_stub(channel)

    async def told(name: str) -> int:
        return int((await health.Check(health_pb2.HealthCheckRequest(service=name))).status)

    assert [await told(name) for name in ("liveness", "readiness", NAME)] == [SERVING, NOT_SERVING, NOT_SERVING]
    await hosted.host.announce_ready()
    assert [await told(name) for name in ("liveness", "readiness", NAME)] == [SERVING, SERVING, SERVING]


async def test_the_port_for_probes_serves_nothing_else(loading: tuple[Hosted, grpc.aio.Channel]) -> None:
    _, channel = loading
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await captioner_pb2_grpc.CaptionerServiceStub(channel).GetModel(pb.GetModelRequest())
    assert caught.value.code() is grpc.StatusCode.UNIMPLEMENTED


async def test_an_address_for_probes_that_is_taken_is_named(loading: tuple[Hosted, grpc.aio.Channel]) -> None:
    taken = f"127.0.0.1:{loading[0].host.health_port}"
    with pytest.raises(OSError, match=f"cannot answer probes on {taken}"):
        async with hosting(health_listen=taken):
            pass

"""Who watches a service's health hears the last word."""

from __future__ import annotations

import asyncio

import grpc
from grpc_health.v1 import health_pb2 as pb
from grpc_health.v1 import health_pb2_grpc
from scripted_server import hosting

from vidtomusictags.rpc.health import Health


class Peer:
    """What a watcher's context says of it."""

    def peer(self) -> str:
        return "ipv4:127.0.0.1:1"


SERVING, NOT_SERVING = pb.HealthCheckResponse.SERVING, pb.HealthCheckResponse.NOT_SERVING


async def test_a_watcher_hears_of_the_end_even_where_the_close_follows_at_once() -> None:
    health = Health()
    health.set(["a"], serving=True)
    watch = health.Watch(pb.HealthCheckRequest(service="a"), Peer())
    assert (await anext(watch)).status == SERVING
    waiting = asyncio.create_task(anext(watch))
    await asyncio.sleep(0)  # until it waits for a change
    health.leave()
    health.close()
    assert (await waiting).status == NOT_SERVING
    assert [reply async for reply in watch] == []


async def test_a_watch_that_begins_after_the_close_is_told_once_and_ends() -> None:
    health = Health()
    health.set(["a"], serving=True)
    health.leave()
    health.close()
    assert [reply.status async for reply in health.Watch(pb.HealthCheckRequest(service="a"), Peer())] == [NOT_SERVING]


async def test_one_connection_watches_so_much_and_no_more_while_others_are_told() -> None:
    own = (("grpc.use_local_subchannel_pool", 1),)
    async with hosting() as hosted, grpc.aio.insecure_channel(hosted.address, options=own) as greedy:
        stub, request = health_pb2_grpc.HealthStub(greedy), pb.HealthCheckRequest(service="")
        watches = [stub.Watch(request, timeout=60) for _ in range(64)]
        for watch in watches:
            assert (await watch.read()).status == SERVING
        one_more = stub.Watch(request, timeout=60)
        assert await one_more.code() is grpc.StatusCode.RESOURCE_EXHAUSTED
        async with grpc.aio.insecure_channel(hosted.address, options=own) as other:
            assert (await health_pb2_grpc.HealthStub(other).Watch(request, timeout=60).read()).status == SERVING
        watches.pop().cancel()
        while (again := stub.Watch(request, timeout=60)) and await again.read() is grpc.aio.EOF:
            assert await again.code() is grpc.StatusCode.RESOURCE_EXHAUSTED  # the cancelled one is still on its way
        for watch in (*watches, again):
            watch.cancel()

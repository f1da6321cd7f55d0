"""Who watches a service's health hears the last word."""

from __future__ import annotations

import asyncio

from grpc_health.v1 import health_pb2 as pb

from vidtomusictags.rpc.health import Health

SERVING, NOT_SERVING = pb.HealthCheckResponse.SERVING, pb.HealthCheckResponse.NOT_SERVING


async def test_a_watcher_hears_of_the_end_even_where_the_close_follows_at_once() -> None:
    health = Health()
    health.set(["a"], serving=True)
    watch = health.Watch(pb.HealthCheckRequest(service="a"), None)
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
    assert [reply.status async for reply in health.Watch(pb.HealthCheckRequest(service="a"), None)] == [NOT_SERVING]

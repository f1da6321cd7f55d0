"""A server's beginning and its orderly end."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import grpc
import pytest
from grpc_health.v1 import health_pb2
from grpc_reflection.v1alpha import reflection_pb2
from log_lines import LogLines
from scripted_server import NAME, Hosted, failure_of, hosting
from stubs import health_stub, reflection_stub

from vidtomusictags.captioner.v1 import captioner_pb2 as pb

CLIP = pb.CaptionClipRequest()
NAMES = ["", "liveness", "readiness", NAME]
SERVING = health_pb2.HealthCheckResponse.SERVING
NOT_SERVING = health_pb2.HealthCheckResponse.NOT_SERVING
SERVICE_UNKNOWN = health_pb2.HealthCheckResponse.SERVICE_UNKNOWN


class Watching:
    """A Watch call, read step by step."""

    def __init__(self, channel: grpc.aio.Channel, name: str) -> None:
        self._call = health_stub(channel).Watch(health_pb2.HealthCheckRequest(service=name))

    async def next(self) -> int:
        async with asyncio.timeout(5):
            reply = await self._call.read()
        assert isinstance(reply, health_pb2.HealthCheckResponse)
        return int(reply.status)

    def cancel(self) -> None:
        self._call.cancel()


@pytest.fixture
async def channel_of_its_own() -> AsyncIterator[list[grpc.aio.Channel]]:
    """Channels that outlive the server they point to."""
    channels: list[grpc.aio.Channel] = []
    yield channels
    for channel in channels:
        await channel.close()


class TestHealth:
    @pytest.mark.parametrize("name", NAMES)
    async def test_every_name_says_serving_once_the_server_is_ready(self, name: str, hosted: Hosted) -> None:
        health = health_stub(hosted.channel)
        assert (await health.Check(health_pb2.HealthCheckRequest(service=name))).status == SERVING

    async def test_a_name_that_is_not_served_is_not_found(self, hosted: Hosted) -> None:
        health = health_stub(hosted.channel)
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            await health.Check(health_pb2.HealthCheckRequest(service="nobody"))
        assert caught.value.code() is grpc.StatusCode.NOT_FOUND
        assert await Watching(hosted.channel, "nobody").next() == SERVICE_UNKNOWN

    @pytest.mark.parametrize("name", ["readiness", NAME])
    async def test_a_watcher_hears_when_the_server_becomes_ready(self, name: str) -> None:
        async with hosting(ready=False) as hosted:
            watching = Watching(hosted.channel, name)
            assert await watching.next() == NOT_SERVING
            await hosted.host.announce_ready()
            assert await watching.next() == SERVING
            watching.cancel()

    async def test_a_watcher_that_leaves_takes_nothing_from_the_others(self) -> None:
        async with hosting(ready=False) as hosted:
            staying, leaving = Watching(hosted.channel, NAME), Watching(hosted.channel, NAME)
            assert (await staying.next(), await leaving.next()) == (NOT_SERVING, NOT_SERVING)
            leaving.cancel()
            late = Watching(hosted.channel, NAME)  # by its answer, the server has handled what came before
            assert await late.next() == NOT_SERVING
            await hosted.host.announce_ready()
            assert (await staying.next(), await late.next()) == (SERVING, SERVING)
            staying.cancel()
            late.cancel()


class TestReflection:
    async def test_a_client_can_ask_for_the_services(self, hosted: Hosted) -> None:
        assert {NAME, "grpc.health.v1.Health"} <= await services_of(hosted)

    async def test_a_host_told_so_does_not_answer(self) -> None:
        async with hosting(reflection=False) as hosted:
            with pytest.raises(grpc.aio.AioRpcError) as caught:
                await services_of(hosted)
            assert caught.value.code() is grpc.StatusCode.UNIMPLEMENTED


async def services_of(hosted: Hosted) -> set[str]:
    stub = reflection_stub(hosted.channel)
    asked = reflection_pb2.ServerReflectionRequest(list_services="")
    async for reply in stub.ServerReflectionInfo(iter([asked])):
        return {service.name for service in reply.list_services_response.service}
    raise AssertionError("no answer")


class TestDrain:
    async def test_health_says_so_first_while_calls_still_come_in(
        self, channel_of_its_own: list[grpc.aio.Channel]
    ) -> None:
        leave, left = asyncio.Event(), asyncio.Event()
        ports: asyncio.Queue[Hosted] = asyncio.Queue()

        async def serve() -> None:
            async with hosting(drain_announce_seconds=0.3) as hosted:
                ports.put_nowait(hosted)
                await leave.wait()
            left.set()

        serving = asyncio.create_task(serve())
        hosted = await ports.get()
        channel = grpc.aio.insecure_channel(hosted.address)
        channel_of_its_own.append(channel)
        stub = type(hosted.stub)(channel)
        watchers = [Watching(channel, name) for name in NAMES]
        assert [await watcher.next() for watcher in watchers] == [SERVING] * 4
        leave.set()
        assert [await watcher.next() for watcher in watchers] == [NOT_SERVING] * 4
        await stub.CaptionClip(CLIP)  # announced, and still taken
        await left.wait()
        await serving

    async def test_running_calls_finish_while_late_ones_are_told_to_try_elsewhere(
        self, channel_of_its_own: list[grpc.aio.Channel], logs: LogLines
    ) -> None:
        leave, release = asyncio.Event(), asyncio.Event()
        ready: asyncio.Queue[Hosted] = asyncio.Queue()

        async def serve() -> None:
            async with hosting() as hosted:
                hosted.script.on_clip = release.wait  # type: ignore[assignment]
                ready.put_nowait(hosted)
                await leave.wait()

        serving = asyncio.create_task(serve())
        hosted = await ready.get()
        channel = grpc.aio.insecure_channel(hosted.address)
        channel_of_its_own.append(channel)
        stub = type(hosted.stub)(channel)
        running = stub.CaptionClip(CLIP)
        await hosted.script.begun.wait()
        leave.set()
        await logs.wait_for("draining")
        for _ in range(3):
            with pytest.raises(grpc.aio.AioRpcError) as caught:
                await stub.CaptionClip(CLIP)
            failure = failure_of(caught.value)
            assert (failure.code, failure.reason) == ("UNAVAILABLE", "DRAINING")
            assert failure.retry_after_seconds is not None
        release.set()
        await running
        await serving
        assert logs.of("answered", code="OK")

    async def test_a_model_that_comes_back_meanwhile_does_not_call_the_drain_off(
        self, channel_of_its_own: list[grpc.aio.Channel], logs: LogLines
    ) -> None:
        async with hosting(drain_announce_seconds=0.1) as hosted:
            channel = grpc.aio.insecure_channel(hosted.address)
            channel_of_its_own.append(channel)
            watching = Watching(channel, NAME)
            assert await watching.next() == SERVING

            async def come_back_late() -> tuple[int, int]:
                told = await watching.next()
                await hosted.host.announce_ready()
                health = health_stub(channel)
                return told, (await health.Check(health_pb2.HealthCheckRequest(service=NAME))).status

            returning = asyncio.create_task(come_back_late())
        assert await returning == (NOT_SERVING, NOT_SERVING)

    async def test_a_watcher_does_not_hold_the_end_up(
        self, channel_of_its_own: list[grpc.aio.Channel], logs: LogLines
    ) -> None:
        async with asyncio.timeout(2), hosting(drain_grace_seconds=60) as hosted:
            channel = grpc.aio.insecure_channel(hosted.address)
            channel_of_its_own.append(channel)
            assert await Watching(channel, NAME).next() == SERVING
        assert logs.of("stopped")

    async def test_a_call_that_outlasts_the_grace_is_cut(
        self, channel_of_its_own: list[grpc.aio.Channel], logs: LogLines
    ) -> None:
        async with asyncio.timeout(5), hosting(drain_grace_seconds=0.05) as hosted:
            hosted.script.on_clip = asyncio.Event().wait  # type: ignore[assignment]
            channel = grpc.aio.insecure_channel(hosted.address)
            channel_of_its_own.append(channel)
            running = type(hosted.stub)(channel).CaptionClip(CLIP)
            await hosted.script.begun.wait()
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            await running
        assert caught.value.code() is grpc.StatusCode.UNAVAILABLE
        await logs.wait_for("answered", code="CANCELLED")
        assert hosted.script.ended == 1


class TestAddress:
    @pytest.mark.parametrize("listen", ["0.0.0.0:0", "[::]:0", "10.0.0.1:0", "example.com:0", "127.0.0.1.evil.com:0"])
    async def test_plaintext_is_refused_beyond_loopback(self, listen: str) -> None:
        with pytest.raises(OSError, match="refusing to listen in plaintext"):
            async with hosting(listen=listen):
                pass

    async def test_plaintext_beyond_loopback_may_be_asked_for(self) -> None:
        async with hosting(listen="0.0.0.0:0", insecure=True) as hosted:
            await hosted.stub.CaptionClip(CLIP)

    @pytest.mark.parametrize("listen", ["localhost:0", "127.0.0.2:0", "[::1]:0"])
    async def test_loopback_has_many_names(self, listen: str) -> None:
        async with hosting(listen=listen) as hosted:
            assert hosted.host.port > 0

    async def test_a_port_that_is_taken_is_named(self, hosted: Hosted) -> None:
        with pytest.raises(OSError, match=f"cannot listen on {hosted.address}"):
            async with hosting(listen=hosted.address):
                pass

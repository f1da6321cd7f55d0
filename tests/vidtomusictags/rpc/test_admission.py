"""Who may come in."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from itertools import islice

import grpc
import pytest
from grpc_health.v1 import health_pb2
from log_lines import LogLines
from scripted_server import Hosted, failure_of, hosting
from stubs import health_stub

from vidtomusictags.captioner.v1 import captioner_pb2 as pb
from vidtomusictags.captioner.v1 import captioner_pb2_grpc
from vidtomusictags.rpc.admission import with_jitter
from vidtomusictags.rpc.failures import Failure, QueueFull

CLIP = pb.CaptionClipRequest()


async def refused(hosted: Hosted) -> tuple[Failure, dict[str, str]]:
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await hosted.stub.CaptionClip(CLIP)
    return failure_of(caught.value), dict(caught.value.trailing_metadata() or ())


async def ending(hosted: Hosted) -> Failure | None:
    """How a call failed, if it did."""
    try:
        await hosted.stub.CaptionClip(CLIP, timeout=60)
    except grpc.aio.AioRpcError as error:
        return failure_of(error)
    return None


@pytest.fixture
async def full() -> AsyncIterator[Hosted]:
    """A server with one slot, which is taken."""
    async with hosting(max_calls=1) as hosted:
        release = asyncio.Event()
        hosted.script.on_clip = release.wait  # type: ignore[assignment]
        running = hosted.stub.CaptionClip(CLIP)
        await hosted.script.begun.wait()
        yield hosted
        release.set()
        await running


async def test_a_full_server_refuses_at_once_and_says_when_to_come_back(full: Hosted) -> None:
    failure, trailing = await refused(full)
    assert (failure.code, failure.reason) == ("RESOURCE_EXHAUSTED", "STREAMS_FULL")
    assert failure.retry_after_seconds is not None
    assert 0.25 <= failure.retry_after_seconds <= 0.75
    assert 250 <= int(trailing["grpc-retry-pushback-ms"]) <= 750


async def test_the_delays_of_a_crowd_differ(full: Hosted) -> None:
    delays = {(await refused(full))[0].retry_after_seconds for _ in range(10)}
    assert len(delays) == 10


async def test_of_a_flood_of_refusals_some_have_a_line_in_the_log_and_all_are_counted(
    full: Hosted, logs: LogLines
) -> None:
    await asyncio.gather(*(refused(full) for _ in range(100)))
    await asyncio.sleep(1.1)
    await refused(full)
    lines = logs.of("answered", reason="STREAMS_FULL")
    assert len(lines) < 80
    assert len(lines) + sum(line.get("not_logged", 0) for line in lines) == 101


def test_jitter_halves_at_least_and_adds_half_at_most() -> None:
    delays = [with_jitter(2.0) for _ in range(1000)]
    assert 1.0 <= min(delays) < 1.2
    assert 2.8 < max(delays) <= 3.0


async def test_a_full_server_still_answers_health_and_what_costs_nothing(full: Hosted) -> None:
    health = health_stub(full.channel)
    reply = await health.Check(health_pb2.HealthCheckRequest(service="readiness"))
    assert reply.status == health_pb2.HealthCheckResponse.SERVING
    assert (await full.stub.GetModel(pb.GetModelRequest())).model == "scripted"


async def test_a_server_that_loads_refuses_all_but_health() -> None:
    async with hosting(ready=False) as hosted:
        failure, trailing = await refused(hosted)
        assert (failure.code, failure.reason) == ("UNAVAILABLE", "MODEL_LOADING")
        assert failure.retry_after_seconds is not None
        assert int(trailing["grpc-retry-pushback-ms"]) >= 500
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            await hosted.stub.GetModel(pb.GetModelRequest())
        assert failure_of(caught.value).reason == "MODEL_LOADING"
        health = health_stub(hosted.channel)
        alive = await health.Check(health_pb2.HealthCheckRequest(service="liveness"))
        ready = await health.Check(health_pb2.HealthCheckRequest(service="readiness"))
        assert alive.status == health_pb2.HealthCheckResponse.SERVING
        assert ready.status == health_pb2.HealthCheckResponse.NOT_SERVING


async def test_a_call_that_its_caller_cancels_gives_its_slot_back(logs: LogLines) -> None:
    async with hosting(max_calls=1) as hosted:
        hosted.script.on_clip = asyncio.Event().wait  # type: ignore[assignment]
        for _ in range(3):
            hosted.script.begun.clear()
            call = hosted.stub.CaptionClip(CLIP)
            await hosted.script.begun.wait()
            call.cancel()
            await logs.wait_for("answered", count=hosted.script.ended + 1, code="CANCELLED")
        assert hosted.script.ended == 3


async def test_a_service_whose_queue_is_full_refuses_before_it_reads_anything() -> None:
    async with hosting(max_calls=1) as hosted:

        def full() -> None:
            raise QueueFull("Too many wait; try again after the delay.", retry_after_seconds=0.1)

        hosted.script.check_room = full
        for _ in range(2):  # and a refused call takes no slot
            failure, _trailing = await refused(hosted)
            assert (failure.code, failure.reason) == ("RESOURCE_EXHAUSTED", "QUEUE_FULL")
        assert (await hosted.stub.GetModel(pb.GetModelRequest())).model == "scripted"
        assert not hosted.script.begun.is_set()
        hosted.script.check_room = lambda: None
        await hosted.stub.CaptionClip(CLIP)


async def test_everybody_in_a_burst_is_served_or_told_when_to_come_back_and_health_answers_meanwhile() -> None:
    async with hosting(max_calls=8) as hosted:
        release = asyncio.Event()
        hosted.script.on_clip = release.wait  # type: ignore[assignment]
        health = health_stub(hosted.channel)
        endings = [asyncio.create_task(ending(hosted)) for _ in range(150)]
        checks = [health.Check(health_pb2.HealthCheckRequest(service="readiness"), timeout=60) for _ in range(5)]
        endings += [asyncio.create_task(ending(hosted)) for _ in range(150)]
        assert {(await check).status for check in checks} == {health_pb2.HealthCheckResponse.SERVING}
        refusals = [await one for one in islice(asyncio.as_completed(endings), 300 - 8)]
        release.set()
        assert [failure for failure in await asyncio.gather(*endings) if failure is None] == 8 * [None]
        for failure in refusals:
            assert failure is not None
            assert (failure.code, failure.reason) == ("RESOURCE_EXHAUSTED", "STREAMS_FULL")
            assert failure.retry_after_seconds is not None


async def test_a_flood_is_kept_out_by_grpc_itself_and_those_let_in_are_answered() -> None:
    """What has arrived and was not looked at is bounded; beyond, a call costs the event loop nothing."""
    async with hosting(max_calls=8) as hosted, AsyncExitStack() as stack:
        await hosted.stub.CaptionClip(CLIP)
        options = [("grpc.use_local_subchannel_pool", 1)]
        address = f"127.0.0.1:{hosted.host.port}"
        channels = [
            await stack.enter_async_context(grpc.aio.insecure_channel(address, options=options)) for _ in range(4)
        ]
        await asyncio.gather(*(channel.channel_ready() for channel in channels))
        stubs = [captioner_pb2_grpc.CaptionerServiceStub(channel) for channel in channels]
        calls = [stub.CaptionClip(CLIP, timeout=60) for _ in range(600) for stub in stubs]
        codes = Counter([await call.code() for call in calls])
        assert codes[grpc.StatusCode.CANCELLED] >= 100
        assert codes[grpc.StatusCode.OK] >= 8
        assert set(codes) <= {grpc.StatusCode.OK, grpc.StatusCode.CANCELLED, grpc.StatusCode.RESOURCE_EXHAUSTED}
        await hosted.stub.CaptionClip(CLIP)

"""Who may come in."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import AsyncIterator

import grpc
import pytest
from grpc_health.v1 import health_pb2
from log_lines import LogLines
from scripted_server import Hosted, failure_of, hosting
from stubs import health_stub

from vidtomusictags.captioner.v1 import captioner_pb2 as pb
from vidtomusictags.rpc.admission import with_jitter
from vidtomusictags.rpc.failures import Failure, QueueFull

CLIP = pb.CaptionClipRequest()


async def refused(hosted: Hosted) -> tuple[Failure, dict[str, str]]:
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await hosted.stub.CaptionClip(CLIP)
    return failure_of(caught.value), dict(caught.value.trailing_metadata() or ())


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


async def test_a_flood_is_kept_out_by_grpc_itself_and_those_let_in_are_answered(logs: LogLines) -> None:
    """What has arrived and was not looked at is bounded; beyond, a call costs the event loop nothing."""
    async with hosting(max_calls=8) as hosted:
        await hosted.stub.CaptionClip(CLIP)
        calls = [hosted.stub.CaptionClip(CLIP, timeout=30) for _ in range(400)]
        codes = Counter([await call.code() for call in calls])
        assert codes[grpc.StatusCode.CANCELLED] >= 100
        assert codes[grpc.StatusCode.OK] >= 8
        assert sum(codes.values()) == codes.total() == 400
        assert set(codes) <= {grpc.StatusCode.OK, grpc.StatusCode.CANCELLED, grpc.StatusCode.RESOURCE_EXHAUSTED}
        await hosted.stub.CaptionClip(CLIP)

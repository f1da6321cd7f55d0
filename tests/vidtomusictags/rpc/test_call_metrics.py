"""What every service tells Prometheus of its calls."""

from __future__ import annotations

import asyncio
from typing import Any

import grpc
import pytest
from metrics_page import MetricsPage, free_address, read, until_value
from scripted_server import NAME, Hosted, hosting, raising

from vidtomusictags.captioner.v1 import captioner_pb2 as pb
from vidtomusictags.captioner.v1 import captioner_pb2_grpc
from vidtomusictags.rpc.failures import QueueFull
from vidtomusictags.version import VERSION

CLIP = f"/{NAME}/CaptionClip"


class Metered:
    """A scripted server with metrics."""

    def __init__(self, hosted: Hosted, address: str) -> None:
        self.hosted, self.address = hosted, address

    async def page(self) -> MetricsPage:
        return await read(self.address)

    async def call(self, **metadata: Any) -> None:
        await self.hosted.stub.CaptionClip(pb.CaptionClipRequest(), timeout=10)

    async def fail(self) -> None:
        with pytest.raises(grpc.aio.AioRpcError):
            await self.call()

    async def page_with(self, name: str, value: float, **labels: str) -> MetricsPage:
        """The first page that says so: a call is counted just after its caller has the answer."""
        return await until_value(self.address, value, name, **labels)


@pytest.fixture
async def metered() -> Any:
    address = free_address()
    async with hosting(metrics_listen=address, max_calls=2) as hosted:
        yield Metered(hosted, address)


async def test_what_has_not_happened_yet_is_told_as_nothing(metered: Metered) -> None:
    page = await metered.page()
    for name in ("vidtags_calls_started_total", "vidtags_calls_running", "vidtags_calls_total"):
        assert page.value(name, method=CLIP) == 0
    assert page.value("vidtags_build_info", version=VERSION) == 1
    assert page.value("vidtags_calls_limit") == 2
    assert (page.value("process_resident_memory_bytes") or 0) > 1e6
    assert (page.value("process_open_fds") or 0) > 3
    assert page.value("vidtags_sheds_total", reason="STREAMS_FULL") == 0
    assert page.value("vidtags_sheds_total", reason="WOULD_MISS_DEADLINE") == 0


async def test_a_call_is_counted_with_its_code_and_its_seconds(metered: Metered) -> None:
    await metered.call()
    page = await metered.page_with("vidtags_calls_total", 1, method=CLIP, code="OK")
    assert page.value("vidtags_calls_started_total", method=CLIP) == 1
    assert page.value("vidtags_calls_running", method=CLIP) == 0
    assert page.value("vidtags_call_seconds_count", method=CLIP, code="OK") == 1
    for direction in ("received", "sent"):
        assert page.value("vidtags_messages_total", method=CLIP, direction=direction) == 1


async def test_messages_of_a_stream_are_counted_both_ways(metered: Metered) -> None:
    async def requests() -> Any:
        yield pb.CaptionRequest(config=pb.CaptionConfig())
        yield pb.CaptionRequest(frames=pb.FrameBatch())
        yield pb.CaptionRequest(end_of_input=pb.EndOfInput())

    replies = [reply async for reply in metered.hosted.stub.Caption(requests(), timeout=10)]
    method = f"/{NAME}/Caption"
    page = await metered.page_with("vidtags_calls_total", 1, method=method, code="OK")
    assert page.value("vidtags_messages_total", method=method, direction="received") == 3
    assert page.value("vidtags_messages_total", method=method, direction="sent") == len(replies) == 2


async def test_a_call_runs_until_it_ends_and_one_too_many_is_a_shed(metered: Metered) -> None:
    go = asyncio.Event()
    metered.hosted.script.on_clip = go.wait  # type: ignore[assignment]
    calls = [asyncio.create_task(metered.call()) for _ in range(2)]
    await metered.page_with("vidtags_calls_running", 2, method=CLIP)
    await metered.fail()
    go.set()
    await asyncio.gather(*calls)
    page = await metered.page_with("vidtags_calls_total", 2, method=CLIP, code="OK")
    assert page.value("vidtags_sheds_total", reason="STREAMS_FULL") == 1
    assert page.value("vidtags_failures_total", reason="STREAMS_FULL") == 1
    assert page.value("vidtags_calls_total", method=CLIP, code="RESOURCE_EXHAUSTED") == 1


async def test_a_cancelled_call_runs_no_more(metered: Metered) -> None:
    metered.hosted.script.on_clip = asyncio.Event().wait  # type: ignore[assignment]
    call = metered.hosted.stub.CaptionClip(pb.CaptionClipRequest())
    await metered.page_with("vidtags_calls_running", 1, method=CLIP)
    call.cancel()
    page = await metered.page_with("vidtags_calls_running", 0, method=CLIP)
    assert page.value("vidtags_calls_total", method=CLIP, code="CANCELLED") == 1


async def test_a_failed_call_is_no_shed_unless_it_was_for_want_of_room(metered: Metered) -> None:
    metered.hosted.script.on_clip = raising(RuntimeError("boom"))
    await metered.fail()
    metered.hosted.script.on_clip = raising(QueueFull("full", retry_after_seconds=0.1))
    await metered.fail()
    page = await metered.page_with("vidtags_failures_total", 1, reason="QUEUE_FULL")
    assert page.value("vidtags_failures_total", reason="INTERNAL") == 1
    assert page.value("vidtags_sheds_total") == 1


async def test_a_server_that_takes_no_calls_says_so() -> None:
    address = free_address()
    async with hosting(metrics_listen=address, ready=False) as hosted:
        assert (await read(address)).value("vidtags_ready") == 0
        await hosted.host.announce_ready()
        assert (await read(address)).value("vidtags_ready") == 1


async def test_no_caller_can_make_up_a_series(metered: Metered) -> None:
    before = {name: len(family.samples) for name, family in (await metered.page()).families.items()}
    for method in ("Made", "Up"):
        invented = metered.hosted.channel.unary_unary(f"/{NAME}/{method}")
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            await invented(b"", metadata=(("x-request-id", method), ("traceparent", method)))
        assert caught.value.code() is grpc.StatusCode.UNIMPLEMENTED
    stub: Any = captioner_pb2_grpc.CaptionerServiceStub(metered.hosted.channel)
    await stub.GetModel(pb.GetModelRequest(), metadata=(("user-agent", "made up"), ("x-request-id", "made-up")))
    page = await metered.page_with("vidtags_calls_started_total", 1, method=f"/{NAME}/GetModel")
    grown = {name for name, family in page.families.items() if len(family.samples) != before.get(name)}
    assert grown <= {"vidtags_call_seconds", "vidtags_messages"}

"""What one caller may have, and that it leaves something for the others."""

from __future__ import annotations

import asyncio
import time
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import grpc
import pytest
from callers import write_callers
from log_lines import LogLines
from scripted_server import Hosted, failure_of, hosting, nothing, raising

from vidtomusictags.captioner.v1 import captioner_pb2 as pb
from vidtomusictags.media.v1 import media_pb2
from vidtomusictags.rpc.caller_limits import CallerLimits
from vidtomusictags.rpc.callers import Caller, enter_caller
from vidtomusictags.rpc.failures import CallerLimited, Failure, QueueFull, SpoolFull, UpstreamRateLimited

CLIP = pb.CaptionClipRequest()


def bearer(token: str) -> tuple[tuple[str, str], ...]:
    return (("authorization", f"Bearer {token}"),)


GREEDY, MODEST = bearer("greedy"), bearer("modest")


@pytest.fixture
def two(tmp_path: Path) -> Path:
    return write_callers(
        tmp_path / "callers.toml",
        greedy={"token": "greedy", "permissions": ["caption", "model"]},
        modest={"token": "modest", "permissions": ["caption", "model", "on_behalf_of"]},
    )


async def refused(call: Any) -> tuple[Failure, dict[str, Any]]:
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await call
    return failure_of(caught.value), dict(caught.value.trailing_metadata() or ())


class TestCalls:
    async def test_one_more_than_a_caller_may_have_is_refused_with_whose_quota_and_when_to_come_back(
        self, two: Path
    ) -> None:
        async with hosting(tokens_file=two, caller_max_calls=1) as hosted:
            release = asyncio.Event()
            hosted.script.on_clip = release.wait  # type: ignore[assignment]
            running = hosted.stub.CaptionClip(CLIP, metadata=GREEDY)
            await hosted.script.begun.wait()
            failure, trailing = await refused(hosted.stub.CaptionClip(CLIP, metadata=GREEDY))
            assert isinstance(failure, CallerLimited)
            assert failure.code == "RESOURCE_EXHAUSTED"
            assert failure.quota == "caller:greedy"
            assert failure.retry_after_seconds is not None
            assert int(trailing["grpc-retry-pushback-ms"]) > 0
            await hosted.stub.GetModel(pb.GetModelRequest(), metadata=GREEDY)  # costs nothing
            other = hosted.stub.CaptionClip(CLIP, metadata=MODEST)
            release.set()
            await asyncio.gather(running, other)
            await hosted.stub.CaptionClip(CLIP, metadata=GREEDY)

    async def test_a_gateway_that_names_whom_it_works_for_has_a_share_for_each(self, two: Path) -> None:
        async with hosting(tokens_file=two, caller_max_calls=1) as hosted:
            release = asyncio.Event()
            hosted.script.on_clip = release.wait  # type: ignore[assignment]
            running = []
            for name in ("first", "second"):
                hosted.script.begun.clear()
                metadata = (*MODEST, ("vidtomusictags-caller", name))
                running.append(hosted.stub.CaptionClip(CLIP, metadata=metadata))
                await hosted.script.begun.wait()
            failure, _ = await refused(
                hosted.stub.CaptionClip(CLIP, metadata=(*MODEST, ("vidtomusictags-caller", "first")))
            )
            assert failure.quota == "caller:modest for first"
            release.set()
            await asyncio.gather(*running)

    async def test_a_greedy_caller_does_not_starve_a_modest_one(self, two: Path, logs: LogLines) -> None:
        """64 streams of one caller at once, again and again, against four slots of its own and eight in all."""
        async with hosting(tokens_file=two, max_calls=8, caller_max_calls=4) as hosted, AsyncExitStack() as stack:

            async def work() -> None:
                await asyncio.sleep(0.02)

            hosted.script.on_clip = work
            over = asyncio.Event()
            channels = [
                await stack.enter_async_context(
                    grpc.aio.insecure_channel(hosted.address, options=(("grpc.use_local_subchannel_pool", 1),))
                )
                for _ in range(4)
            ]
            taken = {"greedy": 0}

            async def be_greedy(channel: grpc.aio.Channel) -> None:
                stub = type(hosted.stub)(channel)
                while not over.is_set():
                    try:
                        await stub.CaptionClip(CLIP, metadata=GREEDY)
                        taken["greedy"] += 1
                    except grpc.aio.AioRpcError as error:
                        assert failure_of(error).reason == "CALLER_LIMITED"
                        await asyncio.sleep(0.01)  # without the delay that it was asked for

            crowd = [asyncio.create_task(be_greedy(channel)) for channel in channels for _ in range(16)]
            seconds = []
            for _ in range(20):
                began = time.monotonic()
                await hosted.stub.CaptionClip(CLIP, metadata=MODEST, timeout=30)
                seconds.append(time.monotonic() - began)
            over.set()
            await asyncio.gather(*crowd)
            assert taken["greedy"] > 4  # it is held, not shut out
            assert sorted(seconds)[18] < 5.0


class TestRequests:
    async def test_requests_beyond_a_minutes_worth_wait_for_the_next(self, two: Path) -> None:
        async with hosting(tokens_file=two, caller_requests_a_minute=3) as hosted:
            for _ in range(3):
                await hosted.stub.GetModel(pb.GetModelRequest(), metadata=GREEDY)
            failure, _ = await refused(hosted.stub.GetModel(pb.GetModelRequest(), metadata=GREEDY))
            assert failure.reason == "CALLER_LIMITED"
            assert failure.retry_after_seconds is not None
            assert 5 < failure.retry_after_seconds < 31  # a third of a minute, with jitter
            await hosted.stub.GetModel(pb.GetModelRequest(), metadata=MODEST)

    async def test_a_call_that_is_turned_away_for_want_of_room_uses_none_up(self, two: Path) -> None:
        async with hosting(tokens_file=two, max_calls=1, caller_requests_a_minute=2) as hosted:
            release = asyncio.Event()
            hosted.script.on_clip = release.wait  # type: ignore[assignment]
            running = hosted.stub.CaptionClip(CLIP, metadata=MODEST)
            await hosted.script.begun.wait()
            for _ in range(5):
                failure, _ = await refused(hosted.stub.CaptionClip(CLIP, metadata=GREEDY))
                assert failure.reason == "STREAMS_FULL"
            release.set()
            await running
            await self.use_up(hosted, 2)

    @pytest.mark.parametrize(("failure", "left"), [(QueueFull, 2), (SpoolFull, 2), (UpstreamRateLimited, 1)])
    async def test_so_does_one_that_the_service_has_no_room_for_but_not_one_that_got_further(
        self, failure: type[Failure], left: int, two: Path
    ) -> None:
        async with hosting(tokens_file=two, caller_requests_a_minute=2) as hosted:
            hosted.script.on_clip = raising(failure("full", retry_after_seconds=1.0))
            told, _ = await refused(hosted.stub.CaptionClip(CLIP, metadata=GREEDY))
            assert told.reason == failure.reason
            hosted.script.on_clip = nothing
            await self.use_up(hosted, left)

    @pytest.mark.parametrize(("accepted", "left"), [(False, 2), (True, 1)])
    async def test_a_stream_is_a_request_once_it_is_accepted(self, accepted: bool, left: int, two: Path) -> None:
        async with hosting(tokens_file=two, caller_requests_a_minute=2) as hosted:
            full = raising(QueueFull("full", retry_after_seconds=1.0))
            if accepted:
                hosted.script.on_end = full
            else:
                hosted.script.on_begin = full
            call = hosted.stub.Caption(metadata=GREEDY)
            await call.write(pb.CaptionRequest(config=pb.CaptionConfig()))
            if accepted:
                assert (await call.read()).HasField("accepted")
                await call.write(pb.CaptionRequest(end_of_input=pb.EndOfInput()))
                assert (await call.read()).HasField("error")
            await call.done_writing()
            assert await call.code() is grpc.StatusCode.RESOURCE_EXHAUSTED
            await self.use_up(hosted, left)

    async def use_up(self, hosted: Hosted, left: int) -> None:
        """So many requests are left, and no more."""
        for _ in range(left):
            await hosted.stub.CaptionClip(CLIP, metadata=GREEDY)
        failure, _ = await refused(hosted.stub.CaptionClip(CLIP, metadata=GREEDY))
        assert failure.reason == "CALLER_LIMITED"


class TestBytes:
    async def test_bytes_of_a_stream_are_counted_as_they_arrive_and_the_rest_is_told_in_band(self, two: Path) -> None:
        async with hosting(tokens_file=two, caller_bytes_a_minute=100_000) as hosted:
            call = hosted.stub.Caption(metadata=GREEDY)
            await call.write(pb.CaptionRequest(config=pb.CaptionConfig()))
            assert (await call.read()).HasField("accepted")
            frames = pb.FrameBatch(frames=[media_pb2.Frame(data=b"x" * 40_000)])
            for _ in range(5):
                await call.write(pb.CaptionRequest(frames=frames))
            reply = await call.read()
            assert reply.HasField("error")
            assert "100000 bytes a minute" in reply.error.message
            for _ in range(50):  # what is still on its way is read, or the caller would be told INTERNAL
                await call.write(pb.CaptionRequest(frames=frames))
            await call.done_writing()
            with pytest.raises(grpc.aio.AioRpcError) as caught:
                await call.read()
            failure = failure_of(caught.value)
            assert (failure.reason, failure.quota) == ("CALLER_LIMITED", "caller:greedy")
            again, _ = await refused(hosted.stub.CaptionClip(CLIP, metadata=GREEDY))
            assert again.reason == "CALLER_LIMITED"
            await hosted.stub.CaptionClip(CLIP, metadata=MODEST)

    async def test_a_unary_call_with_more_than_is_left_is_refused(self, two: Path) -> None:
        async with hosting(tokens_file=two, caller_bytes_a_minute=100_000) as hosted:
            large = pb.CaptionClipRequest(frames=[media_pb2.Frame(data=b"x" * 60_000)])
            await hosted.stub.CaptionClip(large, metadata=GREEDY)
            failure, _ = await refused(hosted.stub.CaptionClip(large, metadata=GREEDY))
            assert failure.reason == "CALLER_LIMITED"


class TestMemory:
    async def call(self, limits: CallerLimits, name: str) -> None:
        enter_caller(Caller(name))
        async with limits.layer("/x/Y", None):
            pass

    async def test_callers_are_forgotten_when_there_are_too_many_the_quietest_first(self) -> None:
        limits = CallerLimits(requests_a_minute=1, most_callers=3, clock=lambda: 0.0)
        enter_caller(Caller("busy"))
        async with limits.layer("/x/Y", None):
            for name in ("a", "b", "c"):
                await self.call(limits, name)
            assert len(limits._accounts) == 3
            with pytest.raises(CallerLimited):
                await self.call(limits, "busy")  # it was the quietest, but its call runs
        with pytest.raises(CallerLimited):
            await self.call(limits, "c")
        await self.call(limits, "a")

    async def test_a_minute_later_all_is_as_before(self) -> None:
        now = 0.0
        limits = CallerLimits(requests_a_minute=60, bytes_a_minute=60, clock=lambda: now)
        enter_caller(Caller("a"))
        async with limits.layer("/x/Y", None):
            limits.arrived(60)
            with pytest.raises(CallerLimited) as caught:
                limits.arrived(30)
        assert caught.value.retry_after_seconds is not None
        with pytest.raises(CallerLimited):
            await self.call(limits, "a")
        now = 31.0
        await self.call(limits, "a")
        enter_caller(Caller("a"))
        async with limits.layer("/x/Y", None):
            with pytest.raises(CallerLimited):
                limits.arrived(2)
            now = 100.0
            limits.arrived(60)


async def test_without_limits_nothing_is_counted(hosted: Hosted) -> None:
    await asyncio.gather(*(hosted.stub.CaptionClip(CLIP) for _ in range(30)))

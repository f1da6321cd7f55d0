"""The captioner over the wire while its worker is overloaded or lost: every call is answered, and health is true."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import grpc
import numpy as np
import pytest
from grpc_health.v1 import health_pb2, health_pb2_grpc

sys.path.insert(0, str(Path(__file__).parent / "worker"))  # under importlib mode tests find their helpers only thus

from worker_scripts import scripted_worker  # type: ignore[import-not-found,unused-ignore]

from captioner_service.app import running
from captioner_service.settings import CaptionerSettings
from captioner_service.worker.in_flight import InFlight
from captioner_service.worker.supervisor import Patience
from vidtomusictags.captioner.v1 import captioner_pb2 as pb
from vidtomusictags.captioner.v1 import captioner_pb2_grpc
from vidtomusictags.media.v1 import media_pb2
from vidtomusictags.rpc.durations import to_duration
from vidtomusictags.rpc.failures import Failure, QueueFull
from vidtomusictags.rpc.status import from_rpc_error

PIXELS = np.full((2, 2, 3), 9, np.uint8).tobytes()
FRAMES = [media_pb2.Frame(index=n, pts=to_duration(n / 2), data=PIXELS) for n in range(4)]


@asynccontextmanager
async def serving(
    *, patience: Patience | None = None, max_queued: int = 32, settings: dict[str, Any] | None = None, **options: Any
) -> AsyncIterator[tuple[InFlight, grpc.aio.Channel]]:
    hurried = patience or Patience(step_seconds=30.0, first_pause_seconds=0.01)
    describer = InFlight(scripted_worker(**options), max_queued=max_queued, patience=hurried)
    given = {"listen": "127.0.0.1:0", "drain_announce_seconds": 0, "max_calls": 1000, **(settings or {})}
    async with (
        running(CaptionerSettings(**given), describer) as port,
        grpc.aio.insecure_channel(f"127.0.0.1:{port}") as channel,
    ):
        yield describer, channel


def config(script: str, tokens: int, **fields: Any) -> pb.CaptionConfig:
    return pb.CaptionConfig(
        encoding=media_pb2.FRAME_ENCODING_RGB24,
        frame_size=media_pb2.FrameSize(width=2, height=2),
        prompt=pb.Prompt(text=script),
        generation=pb.GenerationOptions(max_new_tokens=tokens),
        **fields,
    )


async def describe(
    channel: grpc.aio.Channel, script: str = "words", *, tokens: int = 5, within: float = 30
) -> pb.Summary | Failure:
    """One whole stream: its summary, or how it failed."""

    accepted = asyncio.Event()

    async def requests() -> AsyncIterator[pb.CaptionRequest]:
        yield pb.CaptionRequest(config=config(script, tokens, text_deltas=True))
        await accepted.wait()
        yield pb.CaptionRequest(frames=pb.FrameBatch(frames=FRAMES))
        yield pb.CaptionRequest(end_of_input=pb.EndOfInput(frame_count=len(FRAMES)))

    call = captioner_pb2_grpc.CaptionerServiceStub(channel).Caption(requests(), timeout=within)
    summary = pb.Summary()
    try:
        async for reply in call:
            accepted.set()
            if reply.HasField("summary"):
                summary = reply.summary
    except grpc.aio.AioRpcError as error:
        return from_rpc_error(error)
    return summary


async def health(channel: grpc.aio.Channel, name: str) -> bool:
    stub: Any = health_pb2_grpc.HealthStub(channel)
    reply = await stub.Check(health_pb2.HealthCheckRequest(service=name))
    return bool(reply.status == health_pb2.HealthCheckResponse.SERVING)


async def becomes(channel: grpc.aio.Channel, name: str, *, serving: bool) -> None:
    """Waits until health says so."""
    stub: Any = health_pb2_grpc.HealthStub(channel)
    async for reply in stub.Watch(health_pb2.HealthCheckRequest(service=name), timeout=20):
        if (reply.status == health_pb2.HealthCheckResponse.SERVING) is serving:
            return


async def test_of_two_hundred_streams_at_eight_slots_each_is_finished_or_refused_with_a_delay() -> None:
    async with serving(slots=8, step_seconds=0.005, max_queued=32) as (describer, channel):
        outcomes = await asyncio.gather(*(describe(channel, tokens=20) for _ in range(200)))
        counts = Counter(type(outcome).__name__ for outcome in outcomes)
        assert counts["Summary"] >= 40
        assert set(counts) <= {"Summary", "QueueFull"}
        for outcome in outcomes:
            if isinstance(outcome, Failure):
                assert outcome.code == "RESOURCE_EXHAUSTED"
                assert outcome.retry_after_seconds is not None
            else:
                assert outcome.usage.completion_tokens == 20
        assert describer.held == 0
        assert isinstance(await describe(channel), pb.Summary)


async def test_a_summary_carries_how_long_reading_and_writing_took() -> None:
    async with serving(step_seconds=0.005) as (_, channel):
        summary = await describe(channel, tokens=10)
        assert isinstance(summary, pb.Summary)
        timings = summary.timings
        assert timings.decode.ToMilliseconds() > 40
        assert timings.generate.ToMicroseconds() == pytest.approx(
            timings.prefill.ToMicroseconds() + timings.decode.ToMicroseconds(), abs=10
        )


@pytest.mark.parametrize("fault", [signal.SIGKILL, signal.SIGSTOP], ids=["killed", "stopped"])
async def test_under_load_a_lost_worker_costs_only_what_had_been_heard(fault: signal.Signals) -> None:
    patience = Patience(step_seconds=2.0, first_pause_seconds=0.01)
    async with serving(slots=4, step_seconds=0.01, patience=patience) as (describer, channel):
        calls = [asyncio.create_task(describe(channel, tokens=30)) for _ in range(16)]
        done, _ = await asyncio.wait(calls, return_when=asyncio.FIRST_COMPLETED)
        assert done and describer.worker_pid is not None
        os.kill(describer.worker_pid, fault)
        await becomes(channel, "readiness", serving=False)
        assert await health(channel, "liveness")
        refused = await describe(channel)
        assert isinstance(refused, Failure)
        assert (refused.code, refused.reason) == ("UNAVAILABLE", "MODEL_LOADING")
        outcomes = await asyncio.gather(*calls)
        lost = [outcome for outcome in outcomes if isinstance(outcome, Failure)]
        assert len(lost) <= 4, "what was in a slot"
        assert all((one.code, one.reason) == ("UNAVAILABLE", "WORKER_LOST") for one in lost)
        assert all(one.retry_after_seconds is not None for one in lost)
        await becomes(channel, "readiness", serving=True)
        assert isinstance(await describe(channel), pb.Summary)
        assert describer.held == 0


async def test_a_worker_that_is_lost_for_good_ends_liveness_too() -> None:
    patience = Patience(step_seconds=30.0, first_pause_seconds=0.01, restarts=0)
    async with serving(patience=patience) as (describer, channel):
        assert await health(channel, "liveness")
        assert describer.worker_pid is not None
        os.kill(describer.worker_pid, signal.SIGKILL)
        await becomes(channel, "liveness", serving=False)
        assert not await health(channel, "")
        assert not await health(channel, "readiness")


async def test_a_caller_who_leaves_frees_its_slot() -> None:
    async with serving(slots=1, step_seconds=0.01) as (describer, channel):
        assert isinstance(await describe(channel, tokens=4000, within=0.5), Failure)
        assert isinstance(await describe(channel), pb.Summary)
        assert describer.held == 0


async def test_one_caller_cannot_hold_all_slots() -> None:
    async with serving(step_seconds=0.01, settings={"caller_max_calls": 2}) as (_, channel):
        outcomes = await asyncio.gather(*(describe(channel, tokens=30) for _ in range(5)))
        refused = [outcome for outcome in outcomes if isinstance(outcome, Failure)]
        assert len(refused) == 3
        assert {one.reason for one in refused} == {"CALLER_LIMITED"}
        assert all(one.retry_after_seconds is not None for one in refused)
        assert isinstance(await describe(channel), pb.Summary)


async def test_a_stream_that_finds_the_line_full_is_told_before_it_sends_anything(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def full(*, within_seconds: float) -> None:
        assert 0 < within_seconds <= 30
        raise QueueFull("Too many wait; try again after the delay.", retry_after_seconds=0.1)

    async with serving() as (describer, channel):
        monkeypatch.setattr(describer, "check", full)
        call = captioner_pb2_grpc.CaptionerServiceStub(channel).Caption(timeout=30)
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            await call.read()  # nothing was written, and still it is answered
        assert from_rpc_error(caught.value).reason == "QUEUE_FULL"
        monkeypatch.undo()
        assert isinstance(await describe(channel), pb.Summary)

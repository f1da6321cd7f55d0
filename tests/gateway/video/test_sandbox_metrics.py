"""What the sandbox counts: how long decoding took, and why a worker had to be replaced."""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest
from recording_meter import RecordingMeter
from video_clips import Recipe

from gateway.video.plan import Encoding, SamplingPlan
from gateway.video.sandbox import Sandbox, SandboxLimits, running_sandbox
from gateway.video.sandbox_metrics import DECODE_SECONDS
from vidtomusictags.rpc import failures
from vidtomusictags.rpc.work_metrics import QUEUE_SECONDS, RESTARTS

MakeClip = Callable[[Recipe], Path]
LONG = Recipe(frames=300, gop=300, width=160, height=96)
SLOW_PLAN = SamplingPlan(frames=256, encoding=Encoding.PNG, short_side_pixels=320)


async def leave(sandbox: Sandbox, path: Path) -> None:
    begun = asyncio.Event()
    task = asyncio.create_task(sandbox.sample(path, SLOW_PLAN, on_progress=lambda done, total: begun.set()))
    await begun.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task


async def run_out_of_time(sandbox: Sandbox, path: Path) -> None:
    with pytest.raises(failures.DecodeTimeout):
        await sandbox.sample(path, SLOW_PLAN, timeout_seconds=0.2)


async def crash(sandbox: Sandbox, path: Path) -> None:
    os.kill(sandbox.workers[0].pid, signal.SIGSEGV)
    with pytest.raises(failures.DecoderDied):
        await sandbox.sample(path, SamplingPlan())


async def wear_out(sandbox: Sandbox, path: Path) -> None:
    await sandbox.sample(path, SamplingPlan())
    await sandbox.sample(path, SamplingPlan())


@pytest.mark.parametrize(
    ("what", "cause", "recipe"),
    [
        (leave, "abandoned", LONG),
        (run_out_of_time, "timeout", LONG),
        (crash, "ended", Recipe()),
        (wear_out, "worn", Recipe()),
    ],
)
async def test_a_worker_that_is_replaced_is_counted_by_the_cause(
    what: Callable[[Sandbox, Path], Awaitable[None]], cause: str, recipe: Recipe, clip: MakeClip
) -> None:
    meter = RecordingMeter()
    async with running_sandbox(SandboxLimits(workers=1, max_jobs_per_worker=2), meter=meter) as sandbox:
        await what(sandbox, clip(recipe))
    assert meter.sum(RESTARTS, cause) == meter.sum(RESTARTS) == 1
    assert len(meter.observed(DECODE_SECONDS, "uniform")) == len(meter.observed(QUEUE_SECONDS)) >= 1

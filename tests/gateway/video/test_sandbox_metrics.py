"""What the sandbox counts: how long decoding took, and why a worker had to be replaced."""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import Awaitable, Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from recording_meter import RecordingMeter
from video_clips import Recipe

from gateway.metrics import watch
from gateway.spool import open_spool
from gateway.video.plan import Encoding, SamplingPlan
from gateway.video.sandbox import Sandbox, SandboxLimits, running_sandbox
from gateway.video.sandbox_metrics import DECODE_SECONDS, Cause
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
    begun = asyncio.Event()
    task = asyncio.create_task(sandbox.sample(path, SLOW_PLAN, on_progress=lambda done, total: begun.set()))
    await begun.wait()
    os.kill(sandbox.workers[0].pid, signal.SIGSEGV)
    with pytest.raises(failures.DecoderDied):
        await task


async def end_while_idle(sandbox: Sandbox, path: Path) -> None:
    pid = sandbox.workers[0].pid
    os.kill(pid, signal.SIGKILL)
    with suppress(ChildProcessError):  # somebody has noticed before
        await asyncio.to_thread(os.waitid, os.P_PID, pid, os.WEXITED | os.WNOWAIT)
    assert await sandbox.sample(path, SamplingPlan())


async def wear_out(sandbox: Sandbox, path: Path) -> None:
    await sandbox.sample(path, SamplingPlan())
    await sandbox.sample(path, SamplingPlan())


@pytest.mark.parametrize(
    ("what", "cause", "recipe"),
    [
        (leave, "abandoned", LONG),
        (run_out_of_time, "timeout", LONG),
        (crash, "ended", LONG),
        (end_while_idle, "ended", Recipe()),
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


async def test_the_log_tells_what_a_decoder_died_of(clip: MakeClip, logs: Any) -> None:
    async with running_sandbox(SandboxLimits(workers=1)) as sandbox:
        await end_while_idle(sandbox, clip(Recipe()))
        await crash(sandbox, clip(LONG))
    lost = [(line["level"], line["cause"], line["status"]) for line in logs.of("decoder lost")]
    assert lost == [("warning", "ended", -signal.SIGKILL), ("warning", "ended", -signal.SIGSEGV)]


async def test_causes_that_did_not_come_up_are_told_as_none() -> None:
    meter = RecordingMeter()
    with open_spool(None, max_upload_bytes=1, max_total_bytes=1) as spool:
        watch(meter, Sandbox(SandboxLimits(), meter), spool)
    assert {cause: meter.observed(RESTARTS, cause) for cause in Cause} == {cause: [0] for cause in Cause}

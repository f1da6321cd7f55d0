"""What the sandbox does when all goes well, and what one bad job costs the others: nothing."""

from __future__ import annotations

import asyncio
import os
import re
import signal
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from log_lines import LogLines
from video_clips import Recipe

from gateway.video.plan import Encoding, SamplingPlan
from gateway.video.sandbox import Sandbox, SandboxLimits, running_sandbox
from gateway.video.worker_process import WorkerEnded, WorkerProcess
from vidtomusictags.rpc import failures

MakeClip = Callable[[Recipe], Path]

# Long enough that a test can act while it is being decoded, and one GOP, so that all of it has to be.
LONG = Recipe(frames=300, gop=300, width=160, height=96)
SLOW_PLAN = SamplingPlan(frames=256, encoding=Encoding.PNG, short_side_pixels=320)


def is_alive(pid: int) -> bool:
    return Path(f"/proc/{pid}").exists()


def address_space_kib(pid: int) -> int:
    return int(re.findall(r"VmSize:\s+(\d+)", Path(f"/proc/{pid}/status").read_text())[0])


async def started(sandbox: Sandbox, path: Path, plan: SamplingPlan = SLOW_PLAN) -> asyncio.Task[object]:
    """A job that has given its first frame."""
    begun = asyncio.Event()
    task = asyncio.create_task(sandbox.sample(path, plan, on_progress=lambda done, total: begun.set()))
    waiting = asyncio.create_task(begun.wait())
    await asyncio.wait({task, waiting}, return_when=asyncio.FIRST_COMPLETED)
    waiting.cancel()
    return task


async def test_workers_import_no_grpc_and_the_parent_no_decoder(sandbox: Sandbox) -> None:
    assert len(sandbox.workers) == 2
    for worker in sandbox.workers:
        assert "av" in worker.loaded_modules
        assert not {"grpc", "google.protobuf"} & worker.loaded_modules


async def test_a_kernel_that_confines_no_decoder_is_warned_of(monkeypatch: pytest.MonkeyPatch, logs: LogLines) -> None:
    async with running_sandbox(SandboxLimits(workers=1)) as sandbox:
        assert sandbox.workers[0].is_filtered
    assert logs.of("decoders are not confined") == []
    start = WorkerProcess.start

    async def unfiltered(limits: SandboxLimits) -> WorkerProcess:
        worker = await start(limits)
        worker.is_filtered = False
        return worker

    monkeypatch.setattr(WorkerProcess, "start", unfiltered)
    async with running_sandbox(SandboxLimits(workers=1)):
        pass
    assert len(logs.of("decoders are not confined")) == 1


@pytest.mark.parametrize("encoding", Encoding)
async def test_frames_come_scaled_and_encoded_as_asked(encoding: Encoding, clip: MakeClip, sandbox: Sandbox) -> None:
    plan = SamplingPlan(frames=3, short_side_pixels=32, encoding=encoding)
    taken = await sandbox.sample(clip(Recipe()), plan)
    assert (taken.width, taken.height, len(taken.frames)) == (48, 32, 3)
    magic = {Encoding.JPEG: b"\xff\xd8\xff", Encoding.PNG: b"\x89PNG"}.get(encoding)
    if magic is None:
        assert taken.array().shape == (3, 32, 48, 3)
    else:
        assert all(frame.startswith(magic) for frame in taken.frames)
        with pytest.raises(ValueError, match="rgb24"):
            taken.array()


async def test_progress_counts_the_frames_in_the_event_loop(clip: MakeClip, sandbox: Sandbox) -> None:
    seen: list[tuple[int, int]] = []
    loop = asyncio.get_running_loop()

    def note(done: int, total: int) -> None:
        assert asyncio.get_running_loop() is loop
        seen.append((done, total))

    await sandbox.sample(clip(Recipe()), SamplingPlan(), on_progress=note)
    assert seen == [(n, 8) for n in range(1, 9)]


@pytest.mark.parametrize("short_side, shape", [(None, (64, 96)), (64, (64, 96)), (128, (128, 192)), (21, (21, 32))])
async def test_the_short_side_is_what_was_asked_and_the_aspect_stays(
    short_side: int | None, shape: tuple[int, int], clip: MakeClip, sandbox: Sandbox
) -> None:
    plan = SamplingPlan(frames=1, short_side_pixels=short_side)
    taken = await sandbox.sample(clip(Recipe()), plan)
    assert (taken.height, taken.width) == shape


@pytest.mark.parametrize(
    "plan, field",
    [
        (SamplingPlan(frames=0), "frames"),
        (SamplingPlan(frames=257), "frames"),
        (SamplingPlan(short_side_pixels=0), "short_side_pixels"),
        (SamplingPlan(jpeg_quality=101), "jpeg_quality"),
        (SamplingPlan(start_seconds=-1.0), "start_seconds"),
        (SamplingPlan(start_seconds=float("nan")), "start_seconds"),
        (SamplingPlan(start_seconds=2.0, end_seconds=2.0), "end_seconds"),
        (SamplingPlan(start_seconds=2.5), "start_seconds"),
    ],
)
async def test_a_plan_out_of_range_is_refused_by_its_field(
    plan: SamplingPlan, field: str, clip: MakeClip, sandbox: Sandbox
) -> None:
    with pytest.raises(failures.InvalidRequest) as refused:
        await sandbox.sample(clip(Recipe()), plan)
    assert refused.value.field == field


async def test_an_unknown_sampler_is_refused(clip: MakeClip, sandbox: Sandbox) -> None:
    with pytest.raises(failures.UnknownSampler, match="uniform, notebook"):
        await sandbox.sample(clip(Recipe()), SamplingPlan(sampler="best"))


async def test_a_killed_worker_costs_its_own_job_alone_and_is_replaced(clip: MakeClip) -> None:
    async with running_sandbox(SandboxLimits(workers=2)) as sandbox:
        first = await started(sandbox, clip(LONG))
        victim = sandbox.workers[-1]
        second = await started(sandbox, clip(LONG), SamplingPlan(frames=40, encoding=Encoding.PNG))
        os.kill(victim.pid, signal.SIGKILL)
        with pytest.raises(failures.DecoderDied):
            await first
        assert await sandbox.sample(clip(Recipe()), SamplingPlan())
        assert await second
        assert await asyncio.gather(*(sandbox.sample(clip(Recipe()), SamplingPlan()) for _ in range(6)))


async def test_cancelling_the_caller_kills_the_worker_within_a_second(clip: MakeClip) -> None:
    async with running_sandbox(SandboxLimits(workers=1)) as sandbox:
        task = await started(sandbox, clip(LONG))
        pid = sandbox.workers[0].pid
        began = time.monotonic()
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert await sandbox.sample(clip(Recipe()), SamplingPlan())
        assert not is_alive(pid)
        assert sandbox.workers[0].pid != pid
        assert time.monotonic() - began < 2.0


async def test_a_job_that_takes_too_long_is_ended_and_named_so(clip: MakeClip, sandbox: Sandbox) -> None:
    with pytest.raises(failures.DecodeTimeout):
        await sandbox.sample(clip(LONG), SLOW_PLAN, timeout_seconds=0.2)


async def test_a_job_that_uses_too_much_processor_time_is_ended_and_named_so(clip: MakeClip) -> None:
    async with running_sandbox(SandboxLimits(workers=1, cpu_seconds=1)) as sandbox:
        path = clip(LONG)
        with pytest.raises(failures.DecodeTimeout, match="processor"):
            await sandbox.sample(path, SamplingPlan(frames=256, encoding=Encoding.PNG, short_side_pixels=320))
        assert await sandbox.sample(clip(Recipe()), SamplingPlan())


async def test_a_job_that_needs_more_memory_than_allowed_is_refused(clip: MakeClip, sandbox: Sandbox) -> None:
    path = clip(Recipe(width=3840, height=2160, frames=3))
    idle = address_space_kib(sandbox.workers[0].pid)
    # Room for the worker as it is and 3 more pictures of 4K, but not for the decoder's own.
    allowed = idle * 1024 - sandbox.limits.max_output_bytes + (50 << 20)
    limits = SandboxLimits(workers=1, address_space_bytes=allowed, max_output_bytes=100 << 20)
    async with running_sandbox(limits) as small:
        # Some decoders say that they had no memory, others that the packet was bad.
        with pytest.raises((failures.VideoTooLarge, failures.VideoUnreadable)):
            await small.sample(path, SamplingPlan(frames=3))
        assert await small.sample(clip(Recipe()), SamplingPlan())


async def test_jobs_beyond_the_waiting_limit_are_turned_away_with_a_time_to_return(clip: MakeClip) -> None:
    async with running_sandbox(SandboxLimits(workers=1, max_waiting=1)) as sandbox:
        running = await started(sandbox, clip(LONG))
        waiting = asyncio.create_task(sandbox.sample(clip(Recipe()), SamplingPlan()))
        await asyncio.sleep(0)
        with pytest.raises(failures.QueueFull) as refused:
            await sandbox.sample(clip(Recipe()), SamplingPlan())
        assert refused.value.retry_after_seconds is not None
        running.cancel()
        assert await waiting


async def test_waiting_longer_than_the_caller_can_ends_in_a_timeout(clip: MakeClip) -> None:
    async with running_sandbox(SandboxLimits(workers=1)) as sandbox:
        running = await started(sandbox, clip(LONG))
        with pytest.raises(failures.DecodeTimeout):
            await sandbox.sample(clip(Recipe()), SamplingPlan(), timeout_seconds=0.05)
        running.cancel()


async def test_a_worker_is_replaced_after_its_share_of_jobs(clip: MakeClip) -> None:
    async with running_sandbox(SandboxLimits(workers=1, max_jobs_per_worker=2)) as sandbox:
        pids = []
        for _ in range(4):
            await sandbox.sample(
                clip(Recipe()), SamplingPlan(), on_progress=lambda d, t: pids.append(sandbox.workers[0].pid)
            )
        assert len(set(pids[:16])) == 1
        assert len(set(pids)) == 2


async def test_closing_ends_running_jobs_and_leaves_no_process(clip: MakeClip) -> None:
    async with running_sandbox(SandboxLimits(workers=2)) as sandbox:
        pids = [worker.pid for worker in sandbox.workers]
        running = await started(sandbox, clip(LONG))
    with pytest.raises(failures.DecoderDied):
        await running
    assert not any(is_alive(pid) for pid in pids)


async def test_a_video_that_finds_no_decoder_is_not_blamed_and_may_come_back(
    clip: MakeClip, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def die(limits: SandboxLimits) -> WorkerProcess:
        raise WorkerEnded(-9)

    async with running_sandbox(SandboxLimits(workers=1)) as sandbox:
        with monkeypatch.context() as patch:
            patch.setattr(WorkerProcess, "start", die)
            os.kill(sandbox.workers[0].pid, signal.SIGKILL)
            while not sandbox.workers[0].has_ended():  # noqa: ASYNC110  # nothing tells of it
                await asyncio.sleep(0.01)
            with pytest.raises(failures.WorkerLost) as caught:
                await sandbox.sample(clip(Recipe()), SamplingPlan())
        assert caught.value.code == "UNAVAILABLE"
        assert caught.value.retry_after_seconds
        assert await sandbox.sample(clip(Recipe()), SamplingPlan())

"""Sampling untrusted video in a pool of confined worker processes; the gateway's one door to video.

No pool from a library fits: concurrent.futures and loky fail every job when one worker dies and cannot end a running
job; Pebble can, but polls, pickles its results and is under the LGPL; all of them import the parent's main module
again in the worker, and with it gRPC.
"""

from __future__ import annotations

import asyncio
import math
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import asdict
from pathlib import Path
from typing import Any

import structlog

from gateway.video.giving_way import GaveWay, YieldingVideo
from gateway.video.job_outcome import cause_of, end_of_worker, outcome_of
from gateway.video.limits import SandboxLimits
from gateway.video.patience import Patience
from gateway.video.plan import SamplingPlan
from gateway.video.sampled import SampledClip
from gateway.video.samplers import SAMPLERS, sampler_named
from gateway.video.sandbox_metrics import DECODE_SECONDS, Cause
from gateway.video.supplying import ArrivingVideo, SupplyEnded, WantMalformed, supplied
from gateway.video.video_file import opened
from gateway.video.worker_process import AnswerMalformed, WorkerEnded, WorkerProcess
from vidtomusictags.rpc import failures
from vidtomusictags.rpc.admission import WAIT_SHARE, with_jitter
from vidtomusictags.rpc.metrics import NO_METER, Meter
from vidtomusictags.rpc.work_metrics import QUEUE_SECONDS, RESTARTS

__all__ = ["SAMPLERS", "Sandbox", "SandboxLimits", "running_sandbox"]

log = structlog.get_logger()

OnProgress = Callable[[int, int], None]


@asynccontextmanager
async def running_sandbox(limits: SandboxLimits | None = None, *, meter: Meter = NO_METER) -> AsyncIterator[Sandbox]:
    """A warm sandbox for the length of the block; every worker is gone when it ends.

    Raises RuntimeError where the workers cannot be started.
    """
    sandbox = Sandbox(limits or SandboxLimits(), meter)
    try:
        await sandbox.warm_up()
        yield sandbox
    finally:
        await sandbox.close()


class Sandbox:
    """Runs sampling jobs, at most `limits.workers` at once. Used from one event loop; made by `running_sandbox`.

    waiting: jobs that have no worker yet. usual_seconds: what a job takes of late, 0 before the first.
    """

    def __init__(self, limits: SandboxLimits, meter: Meter = NO_METER) -> None:
        self.limits = limits
        self._meter = meter
        self._turns = asyncio.Semaphore(limits.workers)
        self._idle: list[WorkerProcess | None] = [None] * limits.workers
        self._busy: set[WorkerProcess] = set()
        self._replacements: set[asyncio.Task[None]] = set()
        self._endings: set[asyncio.Task[None]] = set()
        self._returned = asyncio.Event()
        self._yielding: list[YieldingVideo] = []
        self.waiting = 0
        self.usual_seconds = 0.0

    @property
    def workers(self) -> tuple[WorkerProcess, ...]:
        """The workers that are alive, idle ones first."""
        return (*(worker for worker in self._idle if worker is not None), *self._busy)

    @property
    def busy(self) -> int:
        """Workers that do a job."""
        return len(self._busy)

    async def warm_up(self) -> None:
        """Start every worker. Raises RuntimeError where one does not start."""
        started = await asyncio.gather(
            *(WorkerProcess.start(self.limits) for _ in range(self.limits.workers)), return_exceptions=True
        )
        self._idle = [worker for worker in started if isinstance(worker, WorkerProcess)]
        for failure in started:
            if isinstance(failure, BaseException):
                raise RuntimeError("a decoding worker does not start; its own output says why") from failure
        if not all(worker.is_filtered for worker in self.workers):
            log.warning(
                "decoders are not confined",
                advice="this kernel filters no system calls (seccomp), so a video that takes its decoder over reaches "
                "this process's files and memory; run the gateway where it does",
            )

    async def close(self) -> None:
        """End all workers, and with them all running jobs."""
        for worker in self._busy:
            worker.kill()
        while self._busy:  # each job still waits for its worker's last word
            self._returned.clear()
            await self._returned.wait()
        for task in self._replacements:
            task.cancel()
        await asyncio.gather(*self._replacements, *self._endings, return_exceptions=True)
        await asyncio.gather(*(worker.stop() for worker in self.workers))
        self._idle.clear()

    async def sample(
        self,
        video: Path | ArrivingVideo,
        plan: SamplingPlan,
        *,
        timeout_seconds: float | None = None,
        on_progress: OnProgress | None = None,
    ) -> SampledClip:
        """Sample the video file by the plan.

        timeout_seconds: for waiting and decoding together; `limits.wall_seconds` bounds the decoding anyway, in which
        waiting for the bytes of an arriving video does not count.
        on_progress: called from the event loop with (frames done, frames to come).
        Cancelling the caller kills the worker at once. Raises InvalidRequest, UnknownSampler, VideoNotFound,
        VideoUnreadable, VideoHasNoPicture, VideoTooLarge, DecodeTimeout, DecoderDied or QueueFull, and the failure for
        which bytes of an arriving video do not come.
        """
        plan.check()
        sampler_named(plan.sampler)
        path, size_bytes = (video, None) if isinstance(video, Path) else (video.path, video.size_bytes)
        with opened(path, self.limits, size_bytes=size_bytes) as file:
            deadline = time.monotonic() + timeout_seconds if timeout_seconds is not None else None
            await self._wait_for_turn(timeout_seconds)
            worker: WorkerProcess | None = None
            worn: Cause | None = Cause.ABANDONED
            try:
                worker = await self._alive()
                self._busy.add(worker)
                arriving = None if isinstance(video, Path) else video
                outcome, worn = await self._run(worker, plan, file, arriving, deadline, on_progress)
                if isinstance(outcome, Exception):
                    raise outcome
                return outcome
            finally:
                self._give_back(worker, worn=worn)

    async def sample_meanwhile(self, video: ArrivingVideo, plan: SamplingPlan) -> SampledClip | None:
        """As `sample`, but only while no other video needs the worker; None where one did, or does already."""
        if self._turns.locked():
            return None
        yielding = YieldingVideo(video)
        self._yielding.append(yielding)
        try:
            return await self.sample(yielding, plan)
        except GaveWay:
            return None
        finally:
            self._yielding.remove(yielding)

    def check_room(self, within_seconds: float) -> None:
        """Raises QueueFull or WouldMissDeadline where a job that came now would have to wait too long.

        within_seconds: what its caller has left, of which `WAIT_SHARE` may be waited.
        """
        if not self._turns.locked():
            return
        wait = self.usual_seconds * (self.waiting + 1) / self.limits.workers
        if self.waiting >= self.limits.max_waiting or wait > self.limits.longest_wait_seconds:
            raise failures.QueueFull(
                "Too many videos are waiting to be decoded; try again after the delay.",
                retry_after_seconds=with_jitter(min(max(0.5, wait / 2), 5.0)),
            )
        if wait > WAIT_SHARE * within_seconds:
            raise failures.WouldMissDeadline(
                f"The video would wait about {wait:.1f} s to be decoded, more than half of the "
                f"{max(0.0, within_seconds):.1f} s that are left; allow more time or try another replica."
            )

    async def _wait_for_turn(self, timeout_seconds: float | None) -> None:
        self.check_room(math.inf if timeout_seconds is None else timeout_seconds)
        if self._turns.locked() and (yielding := next((one for one in self._yielding if not one.is_asked), None)):
            yielding.give_way()
        self.waiting += 1
        began = time.monotonic()
        try:
            async with asyncio.timeout(timeout_seconds):
                await self._turns.acquire()
        except TimeoutError:
            raise failures.DecodeTimeout(
                f"No decoder became free within {timeout_seconds:g} seconds; try again later.",
                retry_after_seconds=max(1.0, self.usual_seconds),
            ) from None
        finally:
            self.waiting -= 1
            self._meter.observe(QUEUE_SECONDS, time.monotonic() - began)

    async def _alive(self) -> WorkerProcess:
        """An idle worker; a new one for one that ended meanwhile: where memory ends, the kernel picks anybody."""
        worker = self._idle.pop()
        if worker is not None and worker.has_ended():
            await worker.ended()
            self._lost(worker, Cause.ENDED)
            worker = None
        return worker or await self._started()

    def _lost(self, worker: WorkerProcess, cause: Cause) -> None:
        """Tells of a worker that must not be used again, and in the log where something is wrong."""
        self._meter.add(RESTARTS, cause)
        if cause not in (Cause.WORN, Cause.ABANDONED):
            log.warning("decoder lost", cause=cause.value, status=worker.return_code)

    async def _started(self) -> WorkerProcess:
        try:
            return await WorkerProcess.start(self.limits)
        except (WorkerEnded, OSError) as error:
            raise failures.WorkerLost(
                "No decoder could be started; try again after the delay.", retry_after_seconds=with_jitter(1.0)
            ) from error

    async def _run(
        self,
        worker: WorkerProcess,
        plan: SamplingPlan,
        file: int,
        arriving: ArrivingVideo | None,
        deadline: float | None,
        on_progress: OnProgress | None,
    ) -> tuple[SampledClip | Exception, Cause | None]:
        """The outcome of the job, and why the worker must not be used again, if so."""
        threads = max(1, self.limits.cores // len(self._busy))
        job: dict[str, Any] = {"plan": asdict(plan) | {"encoding": plan.encoding.value}, "threads": threads}
        report = on_progress or (lambda done, total: None)
        began = time.monotonic()
        left = None if deadline is None else max(0.0, deadline - began)
        try:
            async with asyncio.timeout(left), Patience(self.limits.wall_seconds) as patience:
                if arriving is None:
                    answer = await worker.run(job, [file], report)
                else:
                    job["arriving"] = {"size_bytes": arriving.size_bytes, "in_order": arriving.in_order}
                    answer = await supplied(
                        lambda pipe: worker.run(job, [file, pipe], report), arriving, patience.suspend
                    )
                outcome = await outcome_of(answer, plan, worker)
        except TimeoutError:
            seconds = self.limits.wall_seconds if left is None else min(self.limits.wall_seconds, left)
            return failures.DecodeTimeout(
                f"Decoding took longer than {seconds:.3g} seconds; send a shorter clip."
            ), Cause.TIMEOUT
        except SupplyEnded as ended:
            return cause_of(ended), None if ended.worker_is_free else Cause.TIMEOUT
        except WorkerEnded as ended:
            return end_of_worker(ended, self.limits)
        except (AnswerMalformed, WantMalformed):
            return failures.DecoderDied(
                "The decoder gave an answer that makes no sense; send the video re-encoded."
            ), Cause.MALFORMED
        finally:
            self._meter.observe(DECODE_SECONDS, time.monotonic() - began, plan.sampler)
        if arriving is None:  # else it is its bytes that took the time
            self._learn(time.monotonic() - began)
        worn = answer.get("worn") or worker.jobs >= self.limits.max_jobs_per_worker
        return outcome, Cause.WORN if worn else None

    def _learn(self, seconds: float) -> None:
        self.usual_seconds += (seconds - self.usual_seconds) * (0.2 if self.usual_seconds else 1.0)

    def _give_back(self, worker: WorkerProcess | None, *, worn: Cause | None) -> None:
        """Free the worker's place; a worn worker is ended at once and its place freed when its successor is ready."""
        if worker is not None:
            self._busy.discard(worker)
            self._returned.set()
        if worker is not None and worn is None:
            self._idle.append(worker)
            self._turns.release()
            return
        if worker is not None and worn is not None:
            self._lost(worker, worn)
            worker.kill()
            _keep(asyncio.create_task(worker.stop()), self._endings)
        _keep(asyncio.create_task(self._replace()), self._replacements)

    async def _replace(self) -> None:
        successor = None
        try:
            successor = await WorkerProcess.start(self.limits)
        except (WorkerEnded, OSError):
            pass  # the next job in this place starts one itself, and fails with its reason if it cannot
        finally:
            self._idle.append(successor)
            self._turns.release()


def _keep(task: asyncio.Task[None], tasks: set[asyncio.Task[None]]) -> None:
    """Hold on to a task until it is done: the event loop itself does not."""
    tasks.add(task)
    task.add_done_callback(tasks.discard)

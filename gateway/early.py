"""Sampling an upload while it still arrives, where its container allows that and no other video needs the worker."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Protocol

from gateway.spool import Upload
from gateway.video.front_index import begins_with_index
from gateway.video.plan import SamplingPlan
from gateway.video.sampled import SampledClip
from gateway.video.samplers import sampler_named
from gateway.video.supplying import ArrivingVideo


class Sandbox(Protocol):
    """Where video is decoded while nobody else needs the worker; None where somebody did."""

    async def sample_meanwhile(self, video: ArrivingVideo, plan: SamplingPlan) -> SampledClip | None: ...


class EarlySampling:
    """The sampling of one upload, under way since its first bytes."""

    def __init__(self, work: asyncio.Task[SampledClip | None] | None) -> None:
        self._work = work

    async def clip(self) -> SampledClip | None:
        """What was sampled, waited for; None where it is still to be done. Raises what sampling raises."""
        return None if self._work is None else await self._work


@asynccontextmanager
async def sampling_early(
    sandbox: Sandbox, upload: Upload, plan: SamplingPlan, *, size_bytes: int | None
) -> AsyncIterator[EarlySampling]:
    """Samples an upload for the length of the block, in which it is received; at the end nothing of it is left running.

    It helps only where frames can be chosen before all bytes are there: with the size announced, the index in front,
    and a sampler that does not read every packet. Otherwise nothing is begun.
    """
    work = None
    if size_bytes and not sampler_named(plan.sampler).reads_packets:
        work = asyncio.create_task(_sample(sandbox, _UploadUnderWay(upload, size_bytes), plan))
    try:
        yield EarlySampling(work)
    finally:
        if work is not None:
            work.cancel()
            await asyncio.gather(work, return_exceptions=True)


async def _sample(sandbox: Sandbox, video: ArrivingVideo, plan: SamplingPlan) -> SampledClip | None:
    return await sandbox.sample_meanwhile(video, plan) if await begins_with_index(video) else None


class _UploadUnderWay:
    """An upload as a video that arrives. Bytes that never come are not waited for in vain: the call then fails."""

    in_order = True

    def __init__(self, upload: Upload, size_bytes: int) -> None:
        self._upload = upload
        self.size_bytes = size_bytes

    @property
    def path(self) -> Path:
        return self._upload.path

    async def until_there(self, start: int, end: int) -> int:
        return await self._upload.until_written(end)

"""Samples clips in the gateway's sandbox from any thread, for as long as the block lasts."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator
from contextlib import AsyncExitStack, contextmanager
from pathlib import Path

from gateway.video.plan import Encoding, SamplingPlan
from gateway.video.sampled import SampledClip
from gateway.video.sandbox import Sandbox, SandboxLimits, running_sandbox


class ClipSampler:
    """A sandbox on an event loop of its own. Made by `sampling_clips`."""

    def __init__(self, loop: asyncio.AbstractEventLoop, sandbox: Sandbox, timeout_seconds: float) -> None:
        self._loop = loop
        self._sandbox = sandbox
        self._timeout_seconds = timeout_seconds

    def sample(self, clip: str, *, sampler: str, frames: int, short_side_pixels: int | None) -> SampledClip:
        """JPEG frames of a local file. Raises the failures of the sandbox, such as VideoUnreadable."""
        plan = SamplingPlan(sampler=sampler, frames=frames, short_side_pixels=short_side_pixels, encoding=Encoding.JPEG)
        sampling = self._sandbox.sample(Path(clip), plan, timeout_seconds=self._timeout_seconds)
        return asyncio.run_coroutine_threadsafe(sampling, self._loop).result()


@contextmanager
def sampling_clips(*, workers: int, timeout_seconds: float) -> Iterator[ClipSampler]:
    """A sampler with so many worker processes, for the length of the block. Raises RuntimeError without workers."""
    with asyncio.Runner() as runner:
        loop = runner.get_loop()
        stack = AsyncExitStack()
        limits = SandboxLimits(workers=workers, wall_seconds=timeout_seconds)
        sandbox = runner.run(stack.enter_async_context(running_sandbox(limits)))
        thread = threading.Thread(target=loop.run_forever, name="clip-sampler", daemon=True)
        thread.start()
        try:
            yield ClipSampler(loop, sandbox, timeout_seconds)
        finally:
            loop.call_soon_threadsafe(loop.stop)
            thread.join()
            runner.run(stack.aclose())

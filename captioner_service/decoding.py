"""Frames become pictures on a few threads, behind a line of their own: what waits there is counted like any queue."""

from __future__ import annotations

import asyncio
import os
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager

import numpy as np
from numpy.typing import NDArray

from captioner_service.frames import EncodedFrame, FrameFormat, decode_frames
from captioner_service.line import Line

_MOST_THREADS = 8


class Decoding:
    """Decodes clips, `threads` at a time. Used on one event loop. max_queued: clips that wait; one more is refused."""

    def __init__(self, pool: ThreadPoolExecutor, *, threads: int, max_queued: int) -> None:
        self._pool = pool
        self._threads = threads
        self._line = Line(max_queued)
        self._held = 0

    def check(self, *, within_seconds: float) -> None:
        """Raises QueueFull or WouldMissDeadline where `decode` would now."""
        waiting = max(0, self._held - self._threads)
        self._line.check(waiting=waiting, held=self._held, slots=self._threads, within_seconds=within_seconds)

    async def decode(
        self, frames: Sequence[EncodedFrame], format: FrameFormat, *, within_seconds: float
    ) -> NDArray[np.uint8]:
        """What `decode_frames` returns. A clip whose caller goes while it waits is not decoded.

        within_seconds: time left to the caller. Raises QueueFull, WouldMissDeadline and what `decode_frames` raises.
        """
        self.check(within_seconds=within_seconds)
        self._held += 1
        try:
            pictures, seconds = await asyncio.get_running_loop().run_in_executor(self._pool, _timed, frames, format)
        finally:
            self._held -= 1
        self._line.learn(seconds)
        return pictures


def _timed(frames: Sequence[EncodedFrame], format: FrameFormat) -> tuple[NDArray[np.uint8], float]:
    started = time.monotonic()
    return decode_frames(frames, format), time.monotonic() - started


@contextmanager
def decoding_threads(*, max_queued: int) -> Iterator[Decoding]:
    """Threads for the length of the block: one core is left to the event loop and the model, which callers wait for."""
    threads = min(_MOST_THREADS, max(1, len(os.sched_getaffinity(0)) - 1))
    pool = ThreadPoolExecutor(threads, thread_name_prefix="decoding")
    try:
        yield Decoding(pool, threads=threads, max_queued=max_queued)
    finally:
        pool.shutdown(cancel_futures=True)

"""Telling a worker which bytes of its video are there: it asks on a socket of the job's own, and waits.

The worker sends `{"want": [start, end]}`, and is answered `{"there": [start, end]}` once these bytes are in the file,
and perhaps more of them. Where they will never be, the socket is closed. A worker never sees where bytes come from.
"""

from __future__ import annotations

import asyncio
import json
import socket
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Any, Protocol

_MESSAGE_BYTES = 1 << 12
_MAX_WANTS = 64
"""Questions under way at once; a worker asks one for each of its threads."""
_LEAVING_SECONDS = 0.8
"""How long a worker has to leave a job whose bytes will not come, before it is taken for hung."""


class ArrivingVideo(Protocol):
    """A video that is not all there yet: a file that others fill.

    path: the file, sparse where bytes are missing. size_bytes: of the whole. in_order: whether the bytes come from the
    first to the last whatever is asked for, as those of an upload do.
    """

    @property
    def path(self) -> Path: ...

    @property
    def size_bytes(self) -> int: ...

    @property
    def in_order(self) -> bool: ...

    async def until_there(self, start: int, end: int) -> int:
        """Waits until the bytes [start, end) are in the file; returns how far it is filled without a gap from `start`.

        Raises the Failure for which they will never be.
        """
        ...


class SupplyEnded(Exception):
    """The job came to nothing, because bytes it needs will not come; the cause says why.

    worker_is_free: whether the worker has said so and can take another job.
    """

    def __init__(self, *, worker_is_free: bool) -> None:
        super().__init__("the video's missing bytes will not come")
        self.worker_is_free = worker_is_free


class WantMalformed(Exception):
    """The worker asked for what cannot be asked for; it can no longer be trusted."""


async def supplied(
    run: Callable[[int], Coroutine[Any, Any, dict[str, Any]]], video: ArrivingVideo, on_wait: Callable[[bool], None]
) -> dict[str, Any]:
    """The answer of a job, whose questions are answered meanwhile.

    run: runs the job; given the descriptor on which the worker is to ask, valid until it returns.
    on_wait: told True when the worker begins to wait for bytes, and False when it has all that it asked for.
    Raises SupplyEnded, WantMalformed, and what `run` raises.
    """
    ours, pipe = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    ours.setblocking(False)
    with ours, pipe:
        running = asyncio.create_task(run(pipe.fileno()))
        serving = asyncio.create_task(_Supply(video, ours, on_wait).serve())
        try:
            await asyncio.wait({running, serving}, return_when=asyncio.FIRST_COMPLETED)
            if not serving.done():
                answer = running.result()
                if "gone" in answer:
                    raise SupplyEnded(worker_is_free=True)
                return answer
            # Whatever the worker still says, it says of a video with a hole: FFmpeg may take one for the file's end.
            ours.close()
            await asyncio.wait({running}, timeout=_LEAVING_SECONDS)
            failure = serving.exception()
            if isinstance(failure, WantMalformed):
                raise failure
            raise SupplyEnded(worker_is_free=running.done() and running.exception() is None) from failure
        finally:
            running.cancel()
            serving.cancel()
            await asyncio.gather(running, serving, return_exceptions=True)


class _Supply:
    """The parent's end of one job's questions."""

    def __init__(self, video: ArrivingVideo, pipe: socket.socket, on_wait: Callable[[bool], None]) -> None:
        self._video = video
        self._pipe = pipe
        self._on_wait = on_wait
        self._waiting = 0
        self._turns = asyncio.Semaphore(_MAX_WANTS)

    async def serve(self) -> None:
        """Answers until it is cancelled. Raises the failure of the video, or WantMalformed."""
        try:
            async with asyncio.TaskGroup() as group:
                while True:
                    want = await self._next_want()
                    await self._turns.acquire()
                    group.create_task(self._answer(*want))
        except BaseExceptionGroup as several:
            raise several.exceptions[0] from None

    async def _next_want(self) -> tuple[int, int]:
        message = await asyncio.get_running_loop().sock_recv(self._pipe, _MESSAGE_BYTES)
        try:
            start, end = (int(position) for position in json.loads(message)["want"])
        except (ValueError, TypeError, KeyError, OverflowError, RecursionError):
            raise WantMalformed from None
        if not 0 <= start < end <= self._video.size_bytes:
            raise WantMalformed
        return start, end

    async def _answer(self, start: int, end: int) -> None:
        self._waiting += 1
        if self._waiting == 1:
            self._on_wait(True)
        try:
            there = await self._video.until_there(start, end)
        finally:
            self._waiting -= 1
            if not self._waiting:
                self._on_wait(False)
            self._turns.release()
        await asyncio.get_running_loop().sock_sendall(self._pipe, json.dumps({"there": [start, there]}).encode())

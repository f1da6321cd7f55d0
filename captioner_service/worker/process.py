"""One worker process as the service sees it: started, spoken to, listened to, ended."""

from __future__ import annotations

import array
import asyncio
import os
import socket
import sys
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from typing import Any

from captioner_service.worker.messages import Message, Start, from_line, to_line

_BUFFER_BYTES = 1 << 20
"""Of the socket; all messages that can be under way to a worker fit in many times over."""
_END_SECONDS = 10.0
"""A killed process is gone in milliseconds, unless its driver holds it."""


class WorkerGone(Exception):
    """The worker hung up, or takes nothing in any more."""


class WorkerStays(Exception):
    """The worker was killed and is still there: a driver holds it. Nothing more can be done from here."""


@dataclass(frozen=True)
class WorkerSpec:
    """Which engine a worker runs. factory: `module:function`, called with `options`; environment: added to ours."""

    factory: str
    options: Mapping[str, Any] = field(default_factory=dict)
    environment: Mapping[str, str] = field(default_factory=dict)


class WorkerProcess:
    """A running worker. Used on one event loop."""

    def __init__(self, process: asyncio.subprocess.Process, connection: socket.socket) -> None:
        self._process, self._connection = process, connection
        self._incoming: asyncio.Queue[Message | None] = asyncio.Queue()
        self._buffer = b""
        asyncio.get_running_loop().add_reader(connection.fileno(), self._read)

    @property
    def pid(self) -> int:
        return self._process.pid

    def tell(self, message: Message, file: int | None = None) -> None:
        """Sends a message, with an open file beside it. Never waits. Raises WorkerGone."""
        line = to_line(message)
        beside = [] if file is None else [(socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array("i", [file]))]
        try:
            sent = self._connection.sendmsg([line], beside)
        except OSError as error:
            raise WorkerGone from error
        if sent < len(line):
            raise WorkerGone("the worker does not read")

    async def next_message(self) -> Message:
        """What the worker says next. Raises WorkerGone when it has hung up."""
        message = await self._incoming.get()
        if message is None:
            raise WorkerGone
        return message

    async def end(self) -> int:
        """Kills the process, stopped or not, and returns its status. Raises WorkerStays."""
        self._hang_up()
        with suppress(ProcessLookupError):
            self._process.kill()
        try:
            async with asyncio.timeout(_END_SECONDS):
                return await self._process.wait()
        except TimeoutError:
            raise WorkerStays from None

    def _read(self) -> None:
        try:
            data = self._connection.recv(1 << 16)
        except BlockingIOError:
            return
        except OSError:
            data = b""
        if not data:
            asyncio.get_running_loop().remove_reader(self._connection.fileno())
            self._incoming.put_nowait(None)
            return
        *lines, self._buffer = (self._buffer + data).split(b"\n")
        for line in lines:
            self._incoming.put_nowait(from_line(line))

    def _hang_up(self) -> None:
        if self._connection.fileno() >= 0:
            asyncio.get_running_loop().remove_reader(self._connection.fileno())
            self._connection.close()


@asynccontextmanager
async def running_worker(spec: WorkerSpec) -> AsyncIterator[WorkerProcess]:
    """A new process with nothing inherited but one socket, told what to load; ended with the block."""
    ours, theirs = socket.socketpair()
    with theirs:
        ours.setblocking(False)
        ours.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, _BUFFER_BYTES)
        process = await _started(theirs, spec.environment)
    worker = WorkerProcess(process, ours)
    try:
        worker.tell(Start(spec.factory, spec.options))
        yield worker
    finally:
        await worker.end()


async def _started(theirs: socket.socket, environment: Mapping[str, str]) -> asyncio.subprocess.Process:
    return await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "captioner_service.worker",
        str(theirs.fileno()),
        stdin=asyncio.subprocess.DEVNULL,
        pass_fds=[theirs.fileno()],
        env={**os.environ, **environment},
    )

"""The parent's side of one decoding worker: starting it, giving it a job, taking its pictures, ending it."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import socket
import sys
from collections.abc import Callable, Sequence
from dataclasses import asdict
from typing import Any

from gateway.video.limits import SandboxLimits

MESSAGE_BYTES = 1 << 18
_ENDING_SECONDS = 1.0
"""Between the end of a worker's socket and that of its process, unless it only feigns its end."""


class WorkerEnded(Exception):
    """The worker process is gone; `return_code` is negative for a signal."""

    def __init__(self, return_code: int) -> None:
        super().__init__(f"worker ended with {return_code}")
        self.return_code = return_code


class AnswerMalformed(Exception):
    """The worker said something that is not in the protocol; it can no longer be trusted."""


class WorkerProcess:
    """One running worker. Used from the event loop that started it, one job at a time."""

    def __init__(self, process: asyncio.subprocess.Process, control: socket.socket, output: int, size: int) -> None:
        self._process = process
        self._control = control
        self._output = output
        self._output_size = size
        self.jobs = 0
        self.loaded_modules: frozenset[str] = frozenset()
        self.is_filtered = False

    @classmethod
    async def start(cls, limits: SandboxLimits) -> WorkerProcess:
        """Start a worker and wait until it is confined and ready. Raises WorkerEnded or TimeoutError.

        A program of its own rather than a fork or multiprocessing: nothing of the parent is in it, neither gRPC's
        threads nor open sockets nor secrets of the environment, and the parent's main module is not imported again.
        """
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        output = os.memfd_create("pictures", os.MFD_CLOEXEC)
        process = None
        try:
            ours.setblocking(False)
            os.ftruncate(output, limits.max_output_bytes)
            process = await asyncio.create_subprocess_exec(
                sys.executable,
                "-P",
                "-m",
                "gateway.video.worker",
                str(theirs.fileno()),
                str(output),
                str(os.getpid()),
                json.dumps(asdict(limits)),
                stdin=asyncio.subprocess.DEVNULL,
                stdout=asyncio.subprocess.DEVNULL,
                pass_fds=(theirs.fileno(), output),
                cwd="/",
                env=_environment(),
            )
            theirs.close()
            worker = cls(process, ours, output, limits.max_output_bytes)
            async with asyncio.timeout(limits.startup_seconds):
                ready = await worker._receive()
            worker.loaded_modules = frozenset(ready["ready"])
            worker.is_filtered = bool(ready["filtered"])
            return worker
        except BaseException:
            theirs.close()
            ours.close()
            os.close(output)
            if process is not None:
                await _end(process)
            raise

    @property
    def pid(self) -> int:
        return self._process.pid

    @property
    def return_code(self) -> int | None:
        """None while it lives; negative for a signal."""
        return self._process.returncode

    def has_ended(self) -> bool:
        """Whether an idle worker is gone: asked of its socket, since word of its end may still be on the way."""
        try:
            return not self._control.recv(1, socket.MSG_PEEK)
        except BlockingIOError:
            return False
        except ConnectionError:
            return True

    async def run(
        self, job: dict[str, Any], descriptors: Sequence[int], on_progress: Callable[[int, int], None]
    ) -> dict[str, Any]:
        """Have the job done; returns the final answer.

        descriptors: the open file, and the socket of its questions where the job is `arriving`; see `supplying`.

        Raises WorkerEnded or AnswerMalformed.
        """
        self.jobs += 1
        try:
            socket.send_fds(self._control, [json.dumps(job).encode()], descriptors)
        except OSError:
            raise WorkerEnded(await self._process.wait()) from None
        while True:
            answer = await self._receive()
            if "progress" not in answer:
                return answer
            match answer["progress"]:
                case [int(done), int(total)]:
                    on_progress(done, total)
                case _:
                    raise AnswerMalformed

    async def take_pictures(self, extents: list[tuple[int, int]]) -> list[bytes]:
        """Copy the pictures of the last job out of the shared memory and give the memory back.

        Raises AnswerMalformed where they are not there.
        """
        try:
            pictures = []
            for offset, length in extents:
                if not (offset >= 0 and 0 < length <= self._output_size - offset):
                    raise AnswerMalformed
                picture = os.pread(self._output, length, offset)
                if len(picture) != length:
                    raise AnswerMalformed
                pictures.append(picture)
                await asyncio.sleep(0)  # many large pictures must not hold up the event loop
            return pictures
        finally:
            os.ftruncate(self._output, 0)
            os.ftruncate(self._output, self._output_size)

    async def _receive(self) -> dict[str, Any]:
        try:
            message = await asyncio.get_running_loop().sock_recv(self._control, MESSAGE_BYTES)
        except ConnectionError:
            message = b""
        if not message:
            raise WorkerEnded(await self._process.wait())
        try:
            answer = json.loads(message)
        except ValueError:
            raise AnswerMalformed from None
        if not isinstance(answer, dict):
            raise AnswerMalformed
        return answer

    def kill(self) -> None:
        """End the process now, whatever it does; `stop` still has to be awaited."""
        with contextlib.suppress(ProcessLookupError):
            self._process.kill()

    async def ended(self) -> None:
        """Frees what belonged to a worker that `has_ended`, and lets its return code be known.

        Not by `stop` at once: to kill a process that has ended is to take its code away from who waits for it.
        """
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(_ENDING_SECONDS):
                await self._process.wait()
        await self.stop()

    async def stop(self) -> None:
        """End the process and free all that belongs to it."""
        try:
            await _end(self._process)
        finally:
            self._control.close()
            os.close(self._output)


async def _end(process: asyncio.subprocess.Process) -> None:
    with contextlib.suppress(ProcessLookupError):
        process.kill()
    await process.wait()


def _environment() -> dict[str, str]:
    """All that a worker gets to see: where its code is, and settings that keep its address space small."""
    path = os.pathsep.join(os.path.abspath(entry) for entry in sys.path)  # noqa: PTH100 - keeps links and "" apart
    return {"PYTHONPATH": path, "LC_ALL": "C.UTF-8", "OPENBLAS_NUM_THREADS": "1", "MALLOC_ARENA_MAX": "2"}

"""Workers that come into the world with torch and transformers imported, which else takes each of them ten seconds.

Every worker is a process of its own, forked from one that has imported `born_warm` and done nothing else. Its
code, its socket and its end are those of `python -m captioner_service.worker`.
"""

from __future__ import annotations

import asyncio
import multiprocessing
import socket
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from multiprocessing import forkserver
from pathlib import Path

import pytest
from born_warm import work

from captioner_service.worker import process

FORKS = multiprocessing.get_context("forkserver")


class WarmProcess:
    """As much of asyncio's Process as a worker's parent uses. Used on one event loop."""

    def __init__(self, theirs: socket.socket, environment: Mapping[str, str]) -> None:
        self._process = FORKS.Process(target=work, args=(theirs, dict(environment)), daemon=True)
        self._process.start()
        assert self._process.pid is not None
        self.pid: int = self._process.pid
        self._ended = asyncio.Event()
        asyncio.get_running_loop().add_reader(self._process.sentinel, self._end)

    def kill(self) -> None:
        self._process.kill()

    async def wait(self) -> int:
        """Its status, or minus the signal that ended it."""
        await self._ended.wait()
        assert self._process.exitcode is not None
        return self._process.exitcode

    def _end(self) -> None:
        asyncio.get_running_loop().remove_reader(self._process.sentinel)
        self._process.join()
        self._ended.set()


@contextmanager
def warm_workers() -> Iterator[None]:
    """Within the block, workers are born warm."""

    async def started(theirs: socket.socket, environment: Mapping[str, str]) -> WarmProcess:
        return WarmProcess(theirs, environment)

    FORKS.set_forkserver_preload([work.__module__])
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PYTHONPATH", str(Path(__file__).parent))  # what is preloaded is looked for there alone
        forkserver.ensure_running()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(process, "_started", started)
        yield

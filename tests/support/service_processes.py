"""Services as the processes that are deployed: started by the command, their log lines read, their resources told."""

from __future__ import annotations

import asyncio
import json
import os
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import grpc


@dataclass
class Served:
    """A process of `serve` and the lines it has logged so far."""

    process: asyncio.subprocess.Process
    lines: list[dict[str, Any]] = field(default_factory=list)

    async def until(self, event: str) -> dict[str, Any]:
        """The next line of that event."""
        assert self.process.stdout is not None
        async with asyncio.timeout(60):
            while line := await self.process.stdout.readline():
                self.lines.append(json.loads(line))
                if self.lines[-1]["event"] == event:
                    return self.lines[-1]
        raise AssertionError(f"it ended without {event}")

    async def ends(self) -> int:
        """The exit code; the rest of the log is read first."""
        assert self.process.stdout is not None
        async with asyncio.timeout(20):
            self.lines += [json.loads(line) async for line in self.process.stdout]
            return await self.process.wait()


@asynccontextmanager
async def served(name: str, **settings: object) -> AsyncIterator[tuple[Served, grpc.aio.Channel]]:
    """A service on a free port, ready; killed at the end if the block left it alive."""
    settings = {"listen": "127.0.0.1:0", "drain_announce_seconds": 0} | settings
    own = {f"{name}_{key}".upper(): str(value) for key, value in settings.items()}
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "vidtomusictags", "serve", name),
        env={**os.environ, **own},
        stdout=asyncio.subprocess.PIPE,
    )
    service = Served(process)
    try:
        port = (await service.until("listening"))["port"]
        await service.until("ready")
        async with grpc.aio.insecure_channel(f"127.0.0.1:{port}") as channel:
            yield service, channel
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()


def resident_mebibytes(pid: int) -> float:
    """Memory of one process that is in RAM."""
    return int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE") / (1 << 20)


def open_files(pid: int) -> int:
    """File descriptors of one process."""
    return len(list(Path(f"/proc/{pid}/fd").iterdir()))

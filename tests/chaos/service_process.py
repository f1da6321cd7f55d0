"""A service as a process that can be watched, frozen, killed and told to go."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import sys
from collections import Counter
from pathlib import Path
from typing import Any

_ALLOCATOR = {"MALLOC_TRIM_THRESHOLD_": "67108864", "MALLOC_MMAP_THRESHOLD_": "33554432"}  # as the images have it


class ServiceProcess:
    """`vidtags serve NAME` with these settings. Its log goes to a file, and is read back from there."""

    def __init__(self, name: str, log: Path, settings: dict[str, Any], environment: dict[str, str]) -> None:
        self._arguments = (name, log, settings, environment)
        own = {f"{name}_{key}".upper(): str(value) for key, value in settings.items()}
        self._environment = {**os.environ, **_ALLOCATOR, **environment, **own}
        self._name = name
        self._log = log
        self._process: asyncio.subprocess.Process | None = None
        self._logging: asyncio.Task[None]
        self._ready: asyncio.Event
        self.address = str(settings["listen"])

    @property
    def pid(self) -> int:
        assert self._process is not None
        return self._process.pid

    @property
    def running(self) -> bool:
        return self._process is not None and self._process.returncode is None and not self._logging.done()

    def at(self, address: str) -> ServiceProcess:
        """Another one with the same settings that listens elsewhere."""
        name, log, settings, environment = self._arguments
        return ServiceProcess(name, log.with_suffix(".new.log"), {**settings, "listen": address}, environment)

    async def start(self) -> None:
        """Returns when it is ready."""
        self._ready = asyncio.Event()
        self._process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "vidtomusictags", "serve", self._name),
            env=self._environment,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT,
        )
        self._logging = asyncio.create_task(self._keep_log(self._process))
        async with asyncio.timeout(240):  # seven start at once, and the machine may have more to do
            await self._ready.wait()
        assert self.running, self._log.read_text()[-2000:]

    async def _keep_log(self, process: asyncio.subprocess.Process) -> None:
        """By a pipe: the disk of the process may be full."""
        assert process.stdout is not None
        with self._log.open("ab") as log:
            async for line in process.stdout:
                log.write(line)
                log.flush()
                if b'"ready"' in line:
                    self._ready.set()
        await process.wait()
        self._ready.set()

    def send(self, number: signal.Signals) -> None:
        """A signal."""
        assert self._process is not None
        self._process.send_signal(number)

    async def ended(self) -> int:
        """Its exit code, once it has ended."""
        assert self._process is not None
        async with asyncio.timeout(60):
            await self._logging
            return await self._process.wait()

    async def kill(self) -> None:
        """Ends it at once, whatever state it is in."""
        if self._process is not None and self._process.returncode is None:
            self._process.kill()
            await self._logging

    def resident_bytes(self) -> int:
        """Memory that it holds now; not of its children."""
        pages = int(Path(f"/proc/{self.pid}/statm").read_text().split()[1])
        return pages * os.sysconf("SC_PAGE_SIZE")

    def descriptors(self) -> int:
        """Files and sockets that it has open now."""
        return len(list(Path(f"/proc/{self.pid}/fd").iterdir()))

    def logged(self, event: str, key: str) -> Counter[str]:
        """How often each value of `key` stands in the lines of an event."""
        found: Counter[str] = Counter()
        for line in self._log.read_text().splitlines():
            if line.startswith("{"):
                facts = json.loads(line)
                if facts.get("event") == event and key in facts:
                    found[str(facts[key])] += 1
        return found

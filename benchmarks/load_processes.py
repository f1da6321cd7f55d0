"""The processes of the load benchmark: started, waited for, watched and ended."""

from __future__ import annotations

import asyncio
import os
import sys
from collections.abc import AsyncIterator, Iterable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

ALLOCATOR = {"MALLOC_TRIM_THRESHOLD_": str(64 << 20), "MALLOC_MMAP_THRESHOLD_": str(32 << 20)}
"""As in the images."""
_TICKS = os.sysconf("SC_CLK_TCK")
_PAGE = os.sysconf("SC_PAGE_SIZE")


@dataclass(frozen=True)
class Served:
    """A service in a process of its own."""

    name: str
    address: str
    pid: int


@asynccontextmanager
async def serving(name: str, settings: Mapping[str, object], *, cores: Iterable[int] = ()) -> AsyncIterator[Served]:
    """The service of that name on a free port, ready. cores: which it may run on; all, if none are named."""
    own = {f"{name}_{key}".upper(): str(value) for key, value in ({"listen": "127.0.0.1:0"} | dict(settings)).items()}
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        str(Path(__file__).with_name("load_servers.py")),
        name,
        env={**os.environ, **ALLOCATOR, "ORT_DISABLE_TELEMETRY": "1", **own},
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
    )
    try:
        if cores:
            os.sched_setaffinity(process.pid, cores)
        assert process.stdout is not None
        port = (await process.stdout.readline()).decode().strip()
        if not port:
            raise RuntimeError(f"the {name} did not start")
        yield Served(name, f"127.0.0.1:{port}", process.pid)
    finally:
        if process.returncode is None:
            process.kill()
        await process.wait()


def family(pid: int) -> list[int]:
    """The process and all that descend from it."""
    try:
        lists = [path.read_text().split() for path in Path(f"/proc/{pid}/task").glob("*/children")]
    except OSError:
        return [pid]
    return [pid, *(grandchild for children in lists for child in children for grandchild in family(int(child)))]


def processor_seconds(pid: int) -> float:
    """Time that a process and its descendants have had on a processor, those included that have ended."""
    total = 0.0
    for one in family(pid):
        try:
            fields = Path(f"/proc/{one}/stat").read_text().rpartition(")")[2].split()
        except OSError:
            continue
        total += sum(map(int, fields[11:15])) / _TICKS
    return total


def resident_bytes(pid: int) -> int:
    """Memory of one process that is in RAM; 0 once it has ended."""
    try:
        return int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * _PAGE
    except OSError:
        return 0


def open_files(pid: int) -> int:
    """File descriptors of one process."""
    return len(list(Path(f"/proc/{pid}/fd").iterdir()))

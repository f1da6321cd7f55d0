"""A disk that gets full: a small file system that is filled, as an error of the kernel and no other way tells."""

from __future__ import annotations

import asyncio
import shutil
import subprocess
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager, suppress
from dataclasses import dataclass
from io import FileIO
from pathlib import Path

FILLING_SECONDS = 0.05
"""How soon what others free is taken."""
_TMPFS = ("mount", "-t", "tmpfs", "-o", "size=4m", "tmpfs")


@dataclass(frozen=True)
class Disk:
    """A directory. told: what it is, for people. can_be_full: whether there is anything that can be filled."""

    path: Path
    told: str
    can_be_full: bool = True

    @asynccontextmanager
    async def full(self) -> AsyncIterator[None]:
        """No byte more can be written for the length of the block: what writers leave is taken, too."""
        filler = self.path / "filler"
        with filler.open("wb", buffering=0) as file:
            _fill(file)
            filling = asyncio.create_task(_keep_filling(file))
            try:
                yield
            finally:
                filling.cancel()
                await asyncio.gather(filling, return_exceptions=True)
                filler.unlink()


@contextmanager
def disk_at(directory: Path) -> Iterator[Disk]:
    """A disk for the length of the block: mounted there, else in a namespace, else one that cannot be full."""
    with mounted(directory) as disk:
        if disk is not None:
            yield disk
            return
    with in_namespace(directory) as disk:
        yield disk or Disk(directory, "left out, which needs root, or user namespaces (unshare --user)", False)


@contextmanager
def mounted(directory: Path) -> Iterator[Disk | None]:
    """For root; None for others."""
    if not _ran(*_TMPFS, str(directory)):
        yield None
        return
    try:
        yield Disk(directory, "a file system of 4 MiB, filled")
    finally:
        _ran("umount", "--lazy", str(directory))


@contextmanager
def in_namespace(directory: Path) -> Iterator[Disk | None]:
    """For whoever may have user namespaces: a process holds one in which it is root, and everybody else looks in."""
    unshare, mount = shutil.which("unshare"), shutil.which("mount")
    if unshare is None or mount is None:
        yield None
        return
    script = '"$@" && echo mounted && exec cat'  # which ends with its stdin
    holder = subprocess.Popen(
        [unshare, "--user", "--map-root-user", "--mount", "sh", "-c", script, "sh", *_TMPFS, str(directory)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
    )
    with holder:
        assert holder.stdout is not None and holder.stdin is not None
        if holder.stdout.readline() != b"mounted\n":
            yield None
            return
        try:
            yield Disk(Path(f"/proc/{holder.pid}/root{directory}"), "a file system of 4 MiB in a namespace, filled")
        finally:
            holder.stdin.close()


def _ran(*command: str) -> bool:
    found = shutil.which(command[0])
    return found is not None and subprocess.run([found, *command[1:]], check=False, capture_output=True).returncode == 0


async def _keep_filling(file: FileIO) -> None:
    while True:
        await asyncio.sleep(FILLING_SECONDS)
        _fill(file)


def _fill(file: FileIO) -> None:
    """Until there is no room for another byte."""
    with suppress(OSError):
        while True:
            file.write(bytes(4096))

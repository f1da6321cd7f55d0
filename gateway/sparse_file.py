"""A file of the spool that is filled anywhere, and takes only the room of what is there."""

from __future__ import annotations

import asyncio
import os
from pathlib import Path
from typing import Protocol

from vidtomusictags.rpc.failures import Failure


class Room(Protocol):
    """What the room on disk is counted by."""

    def take(self, size: int) -> None: ...

    def full(self) -> Failure: ...


class SparseFile:
    """A private file. room_bytes: what it takes of the spool."""

    def __init__(self, room: Room, path: Path, descriptor: int) -> None:
        self._room = room
        self._descriptor = descriptor
        self.path = path
        self.room_bytes = 0

    async def write(self, position: int, data: bytes) -> None:
        """Puts the bytes there. Raises SpoolFull."""
        self._room.take(len(data))
        self.room_bytes += len(data)
        try:
            await asyncio.to_thread(_write_all, self._descriptor, position, data)
        except OSError as error:  # the disk is full, or the quota
            raise self._room.full() from error

    def read(self, position: int, count: int) -> bytes:
        """Up to `count` bytes; zeros where nothing was written. Blocks."""
        return os.pread(self._descriptor, count, position)


def _write_all(descriptor: int, position: int, data: bytes) -> None:
    rest = memoryview(data)
    while rest:
        written = os.pwrite(descriptor, rest, position)
        rest, position = rest[written:], position + written

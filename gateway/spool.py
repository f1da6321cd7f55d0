"""Uploads on disk: bounded together and each, private, and gone afterwards whatever happens."""

from __future__ import annotations

import asyncio
import contextlib
import fcntl
import os
import shutil
import tempfile
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from io import FileIO
from pathlib import Path

from gateway.sparse_file import SparseFile
from gateway.spool_metrics import UPLOAD_BYTES
from vidtomusictags.rpc import failures
from vidtomusictags.rpc.admission import with_jitter
from vidtomusictags.rpc.metrics import NO_METER, Meter

_PREFIX = "vidtags-spool-"
_LOCK = "lock"


class Upload:
    """A file that grows chunk by chunk. room: bytes of the spool that are kept for it, written or not."""

    def __init__(self, spool: Spool, path: Path, file: FileIO, *, room: int) -> None:
        self._spool = spool
        self._file = file
        self.path = path
        self.room = room
        self.size = 0
        self._written = 0
        self._grown = asyncio.Event()

    async def write(self, data: bytes) -> None:
        """Appends. Raises VideoTooLarge or SpoolFull, and then holds what it held before."""
        size = self.size + len(data)
        self._spool.check_size(size)
        if size > self.room:
            self._spool.take(size - self.room)
            self.room = size
        self.size = size
        try:
            await asyncio.to_thread(_write_all, self._file, data)
        except OSError as error:  # the disk is full, or the quota
            raise self._spool.full() from error
        self._spool.meter.add(UPLOAD_BYTES, by=len(data))
        self._written = size
        self._grown.set()
        self._grown = asyncio.Event()

    async def until_written(self, end: int) -> int:
        """Waits until the first `end` bytes are in the file; returns how many are. For ever, where they do not come."""
        while self._written < end:
            await self._grown.wait()
        return self._written


class Spool:
    """A directory of uploads. Used on one event loop. used_bytes: room that is taken, by what is there or announced."""

    def __init__(
        self, directory: Path, *, max_upload_bytes: int, max_total_bytes: int, meter: Meter = NO_METER
    ) -> None:
        self._directory = directory
        self.meter = meter
        self.max_total_bytes = max_total_bytes
        self.max_upload_bytes = max_upload_bytes
        self.used_bytes = 0

    @asynccontextmanager
    async def receiving(self, announced_bytes: int | None = None) -> AsyncIterator[Upload]:
        """An empty upload for the length of the block; its file is deleted at the end.

        announced_bytes: its size, where that is known; so much room is kept for it from the start, so that an upload
        is turned away before it travels and not in the middle. Raises VideoTooLarge or SpoolFull.
        """
        self.check_size(announced_bytes or 0)
        self.check_room(announced_bytes or 1)
        with self._private_file() as (path, file):
            held = announced_bytes or 0
            self.take(held)
            upload = Upload(self, path, file, room=held)
            try:
                yield upload
            finally:
                self.used_bytes -= upload.room

    @contextmanager
    def sparse_file(self) -> Iterator[SparseFile]:
        """An empty file for the length of the block, to be filled anywhere. Raises SpoolFull."""
        self.check_room(1)
        with self._private_file() as (path, file):
            sparse = SparseFile(self, path, file.fileno())
            try:
                yield sparse
            finally:
                self.used_bytes -= sparse.room_bytes

    @contextmanager
    def _private_file(self) -> Iterator[tuple[Path, FileIO]]:
        """A file that is deleted at the end. Raises SpoolFull."""
        try:
            descriptor, name = tempfile.mkstemp(dir=self._directory)  # mode 0600, and no extension that could mislead
        except OSError as error:
            raise self.full() from error
        path = Path(name)
        with FileIO(descriptor, "r+b") as file:  # unbuffered: what `write` returned from is in the file
            try:
                yield path, file
            finally:
                path.unlink(missing_ok=True)

    def check_size(self, size: int) -> None:
        """Raises VideoTooLarge for an upload of `size` bytes."""
        if size > self.max_upload_bytes:
            raise failures.VideoTooLarge(
                f"An upload may have at most {self.max_upload_bytes} bytes; send a smaller file, such as a proxy."
            )

    def check_room(self, size: int) -> None:
        """Raises SpoolFull where an upload of `size` bytes would not fit now."""
        if self.used_bytes + size > self.max_total_bytes:
            raise self.full()

    def take(self, size: int) -> None:
        """Counts `size` bytes more. Raises SpoolFull."""
        self.check_room(size)
        self.used_bytes += size

    def full(self) -> failures.SpoolFull:
        """The failure of having no room."""
        return failures.SpoolFull(
            "There is no room for another upload now; try again after the delay.", retry_after_seconds=with_jitter(2.0)
        )


@contextmanager
def open_spool(
    directory: Path | None, *, max_upload_bytes: int, max_total_bytes: int, meter: Meter = NO_METER
) -> Iterator[Spool]:
    """A spool in a directory of its own for the length of the block, after removing what killed gateways left behind.

    directory: where to make it; None: the system's place for temporary files. Raises OSError where it cannot be made.
    """
    parent = directory or Path(tempfile.gettempdir())
    parent.mkdir(parents=True, exist_ok=True)
    _remove_abandoned(parent)
    own = Path(tempfile.mkdtemp(prefix=_PREFIX, dir=parent))
    # Named only once it is held: a gateway that starts at this moment must not find it free.
    unnamed = own / f"{_LOCK}.new"
    with unnamed.open("wb") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        unnamed.rename(own / _LOCK)
        try:
            yield Spool(own, max_upload_bytes=max_upload_bytes, max_total_bytes=max_total_bytes, meter=meter)
        finally:
            shutil.rmtree(own, ignore_errors=True)


def _write_all(file: FileIO, data: bytes) -> None:
    rest = memoryview(data)
    while rest:
        rest = rest[file.write(rest) :]


def _remove_abandoned(parent: Path) -> None:
    """A spool whose lock is free belongs to nobody: the kernel frees locks of processes that died."""
    for spool in parent.glob(f"{_PREFIX}*"):
        # Not ours to read, or gone meanwhile: somebody else's spool, then.
        with contextlib.suppress(OSError), os.fdopen(os.open(spool / _LOCK, os.O_WRONLY), "wb") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            shutil.rmtree(spool, ignore_errors=True)

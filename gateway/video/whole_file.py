"""A video that is all there, as the worker reads it: by a descriptor, for a worker can open no file by its name."""

from __future__ import annotations

import os

from gateway.video.arriving_file import ArrivingFile


class WholeSource:
    """Opens a file as often as wanted, each time with a position of its own. Thread-safe."""

    in_order = False

    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor
        self.size_bytes = os.fstat(descriptor).st_size

    def open(self) -> ArrivingFile:
        """The file once more, with a position of its own."""
        return ArrivingFile(self)

    def read(self, start: int, end: int) -> bytes:
        """The bytes [start, end), which must lie within the file; fewer where it has become shorter."""
        return os.pread(self._descriptor, end - start, start)

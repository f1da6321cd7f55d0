"""A video of which not every byte is there yet, as the worker reads it: what is missing it asks its parent for."""

from __future__ import annotations

import json
import os
import socket
import threading
from typing import Protocol

from gateway.video.extents import Extents

_MESSAGE_BYTES = 1 << 12


class SourceGone(Exception):
    """The missing bytes will not come; the parent knows why. No OSError, which would pass for the end of the file."""


class ArrivingSource:
    """Opens a file that others fill, as often as wanted. Thread-safe.

    descriptor: the file, sparse where bytes are missing. size_bytes: of the whole. channel: where the parent is asked;
    see `supplying`. in_order: whether the bytes arrive from the first to the last, whatever is asked for.
    """

    def __init__(self, descriptor: int, size_bytes: int, channel: socket.socket, *, in_order: bool) -> None:
        self._descriptor = descriptor
        self._channel = channel
        self._there = Extents()
        self._changed = threading.Condition(threading.Lock())
        self._is_listening = False
        self._is_gone = False
        self.size_bytes = size_bytes
        self.in_order = in_order

    def open(self) -> ArrivingFile:
        """The file once more, with a position of its own."""
        return ArrivingFile(self)

    def read(self, start: int, end: int) -> bytes:
        """The bytes [start, end), which must lie within the file; blocks until they are there. Raises SourceGone."""
        self._wait_for(start, end)
        return os.pread(self._descriptor, end - start, start)

    def _wait_for(self, start: int, end: int) -> None:
        """One waiting thread at a time listens to the parent, for all of them."""
        with self._changed:
            if self._there.covers(start, end):
                return
            try:
                self._channel.send(json.dumps({"want": [start, end]}).encode())
            except OSError:
                self._is_gone = True
            while not self._there.covers(start, end):
                if self._is_gone:
                    raise SourceGone
                if self._is_listening:
                    self._changed.wait()
                else:
                    self._listen()

    def _listen(self) -> None:
        """Take one message in, without the lock meanwhile."""
        self._is_listening = True
        self._changed.release()
        try:
            message = self._channel.recv(_MESSAGE_BYTES)
        except OSError:
            message = b""
        finally:
            self._changed.acquire()
            self._is_listening = False
        if message:
            self._there.add(*json.loads(message)["there"])
        else:
            self._is_gone = True
        self._changed.notify_all()


class _Bytes(Protocol):
    """Where an open file's bytes come from."""

    size_bytes: int

    def read(self, start: int, end: int) -> bytes: ...


class ArrivingFile:
    """What PyAV takes for an open file: read, seek and tell, and no name that could mean anything."""

    def __init__(self, source: _Bytes) -> None:
        self._source = source
        self._position = 0

    def read(self, count: int) -> bytes:
        """Up to `count` bytes, fewer only at the end of the file. Raises SourceGone."""
        start = self._position
        end = min(start + count, self._source.size_bytes)
        if start >= end:
            return b""
        data = self._source.read(start, end)
        self._position += len(data)
        return data

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        """Go to a position, as of `io`. Raises ValueError for one before the start."""
        base = {os.SEEK_SET: 0, os.SEEK_CUR: self._position, os.SEEK_END: self._source.size_bytes}[whence]
        if base + offset < 0:
            raise ValueError("before the start of the file")
        self._position = base + offset
        return self._position

    def tell(self) -> int:
        return self._position

"""What files say, read anew when one of them changes, and kept as it was where the new cannot be used."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Generic, TypeVar

T = TypeVar("T")

_AGAIN_SECONDS = 1.0
"""How soon files that cannot be used are read again though they stay the same, such as a certificate of tomorrow."""


class Reloading(Generic[T]):
    """Asked for whenever what the files say is needed: a look at a file costs microseconds. Safe in all threads.

    read: makes the thing from the files; raises OSError or ValueError where it cannot. on_fault: told of such a change
    once, in words that name no content, while what was read before goes on being used. on_reading: told of every
    reading of changed files, whether they could be used; the first one is none.
    """

    def __init__(
        self,
        paths: Sequence[Path],
        read: Callable[[], T],
        on_fault: Callable[[str], None],
        *,
        on_reading: Callable[[bool], None] | None = None,
    ) -> None:
        self._paths = tuple(paths)
        self._read = read
        self._on_fault = on_fault
        self._on_reading = on_reading
        self._lock = threading.Lock()
        self._told = ""
        self._unusable: tuple[object, ...] | None = None
        self._again_at = 0.0
        self._identity = self._identify()
        self._current = read()

    def current(self) -> T:
        """What the files say now, or said last."""
        identity = self._identify()
        with self._lock:
            if identity != self._identity and (identity != self._unusable or time.monotonic() >= self._again_at):
                self._try(identity)
            return self._current

    def _try(self, identity: tuple[object, ...]) -> None:
        usable = False
        try:
            self._current = self._read()
            usable = True
        except (OSError, ValueError) as error:
            self._unusable, self._again_at = identity, time.monotonic() + _AGAIN_SECONDS
            fault = error.strerror or "cannot be read" if isinstance(error, OSError) else str(error)
            if fault != self._told:
                self._told = fault
                self._on_fault(fault)
        else:
            self._identity, self._told = identity, ""
        finally:
            if self._on_reading is not None:
                self._on_reading(usable)

    def _identify(self) -> tuple[object, ...]:
        return tuple(_identity(path) for path in self._paths)


def _identity(path: Path) -> object:
    """Changes with the file, also where a link that leads to it is turned, as Kubernetes does with secrets."""
    try:
        status = path.stat()
    except OSError:
        return None
    return (status.st_dev, status.st_ino, status.st_size, status.st_mtime_ns)

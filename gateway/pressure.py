"""Remembers for a moment that those behind this gateway are full, so that nothing is decoded for them in vain."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager

from vidtomusictags.rpc import failures
from vidtomusictags.rpc.admission import with_jitter

_FULL = (failures.QueueFull, failures.StreamsFull)
_LONGEST_SECONDS = 1.0
_SHARE = 0.5
"""Of the delay that was asked for. Their queues must not run empty while this one holds back."""


class Pressure:
    """Used on one event loop. One refusal may be a replica's own; two in a row are taken for the state of all."""

    def __init__(self) -> None:
        self._until = 0.0
        self._in_a_row = 0

    @contextmanager
    def heeded(self) -> Iterator[None]:
        """A call to somebody behind; whether it was refused for want of room is remembered."""
        try:
            yield
        except _FULL as full:
            self._in_a_row += 1
            if self._in_a_row > 1:
                pause = min(_SHARE * (full.retry_after_seconds or 0.0), _LONGEST_SECONDS)
                self._until = max(self._until, time.monotonic() + pause)
            raise
        except failures.Failure:
            self._in_a_row = 0
            raise
        else:
            self._in_a_row = 0

    def check(self) -> None:
        """Raises QueueFull while those behind are taken to be full."""
        rest = self._until - time.monotonic()
        if rest > 0:
            raise failures.QueueFull(
                "Those who describe and tag have no room; try again after the delay.",
                retry_after_seconds=with_jitter(max(rest, 0.1)),
            )

"""Remembers for a moment what those behind this gateway have no room for, so that no clip is decoded in vain."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from vidtomusictags.rpc import failures
from vidtomusictags.rpc.admission import with_jitter

_FULL = (failures.QueueFull, failures.StreamsFull)
_LONGEST_SECONDS = 1.0
_SHARE = 0.5
"""Of the delay that was asked for. Their queues must not run empty while this one holds back."""
_ANSWERS_A_PLACE = 4
"""Answers after which one clip more is let in than was found to be too many, so that about one in so many is decoded in
vain, and the clips inside double in the time of so many of the answers to all where captioners are added."""
_BELIEVED_SECONDS = 5.0
"""How long a line is taken for too long after the last word of it."""
_LITTLE_MORE = 1.25
"""Who has no more than so many times the time of the one who was refused is taken to be refused, too: how long decoding
takes is known roughly."""


class Pressure:
    """Used on one event loop. clock: seconds.

    Those behind are full for everybody, once two refusals in a row have said so: one may be a replica's own. A line is
    too long for callers with as little time as the one who was refused: they are let in while fewer clips are inside
    than then, and one more after every few answers.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._full_until = -math.inf
        self._in_a_row = 0
        self._inside = 0
        self._most_inside = 0
        self._answers = 0
        self._too_little_seconds = 0.0
        self._believed_until = -math.inf

    @contextmanager
    def inside(self) -> Iterator[None]:
        """A clip, from its decoding to the end of its description."""
        self._inside += 1
        try:
            yield
        finally:
            self._inside -= 1

    @contextmanager
    def heeded(self, seconds_left: float = 0.0) -> Iterator[None]:
        """A call to somebody behind; what it was refused for is remembered.

        seconds_left: what its caller had left when it began; 0 where no line of clips is in front of what is called.
        """
        try:
            yield
        except _FULL as full:
            self._in_a_row += 1
            if self._in_a_row > 1:
                pause = min(_SHARE * (full.retry_after_seconds or 0.0), _LONGEST_SECONDS)
                self._full_until = max(self._full_until, self._clock() + pause)
            raise
        except failures.Failure as failure:
            self._in_a_row = 0
            if seconds_left and isinstance(failure, failures.WouldMissDeadline):
                self._line_was_too_long(seconds_left)
            raise
        else:
            self._in_a_row = 0
            if seconds_left:
                self._answered()

    def check(self, within_seconds: float) -> None:
        """Raises QueueFull while those behind are taken to be full, WouldMissDeadline where their line is too long.

        within_seconds: what a caller would have left with its clip decoded.
        """
        now = self._clock()
        if now < self._full_until:
            raise failures.QueueFull(
                "Those who describe and tag have no room; try again after the delay.",
                retry_after_seconds=with_jitter(max(self._full_until - now, 0.1)),
            )
        is_little = within_seconds <= _LITTLE_MORE * self._too_little_seconds
        if now < self._believed_until and is_little and self._inside >= self._most_inside:
            raise failures.WouldMissDeadline(
                "Too many clips wait to be described for the time that is left; allow more time or try again later."
            )

    def _line_was_too_long(self, seconds_left: float) -> None:
        now, others = self._clock(), max(1, self._inside - 1)
        if now < self._believed_until:
            others, seconds_left = min(others, self._most_inside), max(seconds_left, self._too_little_seconds)
        self._most_inside, self._too_little_seconds = others, seconds_left
        self._believed_until = now + _BELIEVED_SECONDS
        self._answers = 0

    def _answered(self) -> None:
        self._answers += 1
        if self._answers % _ANSWERS_A_PLACE == 0:
            self._most_inside += 1

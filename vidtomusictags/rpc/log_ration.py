"""So many log lines a second of what can come in floods; the rest is counted."""

from __future__ import annotations

import math


class Ration:
    """a_second: lines that may be written in the second that the first of them begins."""

    def __init__(self, *, a_second: int) -> None:
        self._a_second = a_second
        self._ends_at = -math.inf
        self._written = 0
        self._left_out = 0

    def take(self, now: float) -> bool:
        """Whether one more may be written; else it is counted. now: seconds of any clock that only goes forward."""
        if now >= self._ends_at:
            self._ends_at, self._written = now + 1.0, 0
        if self._written < self._a_second:
            self._written += 1
            return True
        self._left_out += 1
        return False

    def left_out(self) -> dict[str, int]:
        """The fact of the next line: how many were not written before it; none where all were."""
        count, self._left_out = self._left_out, 0
        return {"not_logged": count} if count else {}

"""Which stretches of a file are there."""

from __future__ import annotations

from bisect import bisect_left, bisect_right


class Extents:
    """Disjoint stretches of bytes, each from its start up to but without its end."""

    def __init__(self) -> None:
        self._starts: list[int] = []
        self._ends: list[int] = []

    def add(self, start: int, end: int) -> None:
        """Takes [start, end) in; stretches that touch become one."""
        first, last = bisect_left(self._ends, start), bisect_right(self._starts, end)
        if first < last:
            start, end = min(start, self._starts[first]), max(end, self._ends[last - 1])
        self._starts[first:last] = [start]
        self._ends[first:last] = [end]

    def end_from(self, position: int) -> int:
        """How far the bytes are there without a gap from `position` on; `position` itself where that one is missing."""
        stretch = bisect_right(self._starts, position) - 1
        return max(position, self._ends[stretch]) if stretch >= 0 else position

    def covers(self, start: int, end: int) -> bool:
        """Whether all of [start, end) is there."""
        return self.end_from(start) >= end

    def next_start(self, position: int) -> int | None:
        """Where the first stretch at or after `position` begins; None where there is none."""
        stretch = bisect_left(self._starts, position)
        return self._starts[stretch] if stretch < len(self._starts) else None

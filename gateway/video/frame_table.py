"""Where every presented frame of a stream is in time, and which keyframes lead to it."""

from __future__ import annotations

import bisect
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import Enum
from fractions import Fraction


class TableKind(Enum):
    """How the frames were located, cheapest first."""

    INDEX = "index"
    PACKETS = "packets"
    DECODING = "decoding"


@dataclass(frozen=True)
class Span:
    """A stretch of presentation time in units of the time base: start <= pts < end, within the presented duration."""

    start: Fraction
    end: Fraction

    def middle(self, number: int, count: int) -> Fraction:
        """The middle of the part with that number, from 0, of `count` equal parts."""
        return self.start + (self.end - self.start) * (2 * number + 1) / (2 * count)


@dataclass(frozen=True)
class PacketTrace:
    """What the packets of a stream tell without being decoded, in decode order.

    pts, size in bytes, is it a keyframe, and is it a picture that no other refers to.
    """

    pts: Sequence[int]
    sizes: Sequence[int]
    keys: Sequence[bool]
    droppable: Sequence[bool]


@dataclass(frozen=True)
class Group:
    """Wanted frames that are decoded from one keyframe.

    key: its position in the table's key_pts. indices: the frames, ascending. frames: how many lead up to the last.
    """

    key: int
    indices: tuple[int, ...]
    frames: int


@dataclass(frozen=True)
class FrameTable:
    """The presented frames of one stream, in units of its time base.

    pts: display timestamps, ascending; the position in it is the index of the frame as a decode from the start counts.
    end: when the last frame ends; end_estimated: its length had to be guessed.
    key_pts: display timestamps of the keyframes, ascending; empty where the stream cannot be entered in the middle.
    refreshes_gradually: there are places besides that look like keyframes but do not hold a whole picture.
    key_dts: decode timestamps of the same keyframes; empty unless key_pts are predictions that landing must confirm.
    decode_position: place of each packet in decode order by its pts; empty in a table from the index.
    timestamps_estimated: the stream has none that can be used, and a constant rate was assumed for `pts`.
    trace: what was noted of the packets where that was asked for.
    stated_pts: the timestamps that such a stream has all the same, by index; None where a frame has none.
    """

    kind: TableKind
    time_base: Fraction
    pts: Sequence[int]
    end: int
    end_estimated: bool = False
    timestamps_estimated: bool = False
    key_pts: Sequence[int] = ()
    key_dts: Sequence[int] = ()
    refreshes_gradually: bool = False
    decode_position: Mapping[int, int] = field(default_factory=dict)
    stated_pts: Sequence[int | None] = ()
    trace: PacketTrace | None = None

    @property
    def start(self) -> int:
        """When the first presented frame appears."""
        return self.pts[0]

    def shown_at(self, time: Fraction) -> int:
        """Index of the frame on display at that pts, clamped to the first and last frame."""
        return max(0, bisect.bisect_right(self.pts, math.floor(time)) - 1)

    def first_at_or_after(self, time: Fraction) -> int:
        """Index of the first frame that begins at or after that pts; the number of frames where there is none."""
        return bisect.bisect_left(self.pts, math.ceil(time))

    def frames_of(self, span: Span) -> range:
        """Indices of the frames that begin in the span; where none does, the one on display at its start."""
        first, after = self.first_at_or_after(span.start), self.first_at_or_after(span.end)
        if first < after:
            return range(first, after)
        shown = self.shown_at(span.start)
        return range(shown, shown + 1)

    def key_nearest(self, target: Fraction, start: Fraction, end: Fraction) -> int | None:
        """Index of the presented keyframe with start <= pts < end that is nearest to target, if there is one."""
        first = bisect.bisect_left(self.key_pts, math.ceil(start))
        after = bisect.bisect_left(self.key_pts, math.ceil(end))
        presented = [pts for pts in self.key_pts[first:after] if self.pts[self.index_of(pts)] == pts]
        nearest = min(presented, key=lambda pts: abs(pts - target), default=None)
        return None if nearest is None else self.index_of(nearest)

    def index_of(self, pts: int) -> int:
        """Index of the frame that begins at pts, or of the nearest one before it."""
        return max(0, bisect.bisect_right(self.pts, pts) - 1)

    def stated(self, index: int) -> int:
        """The timestamp of the frame at index as the stream states it, else as it was estimated."""
        stated = self.stated_pts[index] if self.stated_pts else None
        return self.pts[index] if stated is None else stated

    def frame_end(self, index: int) -> int:
        """When the frame at index gives way to the next one."""
        return self.pts[index + 1] if index + 1 < len(self.pts) else self.end

    def groups_of(self, indices: Sequence[int]) -> list[Group]:
        """The frames at `indices`, ascending, by the keyframe that each is decoded from."""
        by_key: dict[int, list[int]] = {}
        for index in indices:
            by_key.setdefault(self.key_before(self.pts[index]), []).append(index)
        return [
            Group(key, tuple(members), max(1, members[-1] - self.index_of(self.key_pts[key]) + 1))
            for key, members in by_key.items()
        ]

    def key_before(self, pts: int) -> int:
        """Position in key_pts of the last keyframe displayed at or before pts."""
        return max(0, bisect.bisect_right(self.key_pts, pts) - 1)

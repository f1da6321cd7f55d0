"""The samplers by name: each chooses which frames of a table to take, and says why."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from fractions import Fraction
from types import MappingProxyType

import numpy as np

from gateway.video.frame_table import FrameTable
from vidtomusictags.rpc import failures


@dataclass(frozen=True)
class Pick:
    """One chosen frame: its index in display order, the pts that was aimed at, and the reason in words."""

    index: int
    target: Fraction
    reason: str


@dataclass(frozen=True)
class Span:
    """A stretch of presentation time in units of the time base: start <= pts < end, within the presented duration."""

    start: Fraction
    end: Fraction

    def frames(self, table: FrameTable) -> range:
        """Indices of the frames that begin in the span; where none does, the one on display at its start."""
        first = table.first_at_or_after(self.start)
        after = table.first_at_or_after(self.end)
        if first < after:
            return range(first, after)
        shown = table.shown_at(self.start)
        return range(shown, shown + 1)


Sampler = Callable[[FrameTable, Span, int], list[Pick]]


def uniform(table: FrameTable, span: Span, count: int) -> list[Pick]:
    """The frames on display at the middles of `count` equal spans of time; each frame once."""
    picks: dict[int, Pick] = {}
    for number in range(count):
        target = span.start + (span.end - span.start) * (2 * number + 1) / (2 * count)
        index = table.shown_at(target)
        picks.setdefault(index, Pick(index, target, f"middle of span {number + 1} of {count}"))
    return list(picks.values())


def notebook(table: FrameTable, span: Span, count: int) -> list[Pick]:
    """Every (total / count)-th frame from the first on, as `numpy.arange(0, total, total / count)` counts them.

    The formula is that of the prototype, float steps and rounding included; what it repeats or what lies past the last
    frame is taken once or not at all, as the prototype's reading loop did.
    """
    frames = span.frames(table)
    total = len(frames)
    wanted = np.unique(np.arange(0, total, total / count).astype(int)).tolist()
    return [
        Pick(
            frames[offset], Fraction(table.pts[frames[offset]]), f"frame {offset} of {total}, a step of {total}/{count}"
        )
        for offset in wanted
        if offset < total
    ]


SAMPLERS: Mapping[str, Sampler] = MappingProxyType({"uniform": uniform, "notebook": notebook})


def sampler_named(name: str) -> Sampler:
    """The sampler of that name. Raises UnknownSampler, which lists those that exist."""
    try:
        return SAMPLERS[name]
    except KeyError:
        raise failures.UnknownSampler(
            f"There is no sampler {name[:40]!r}; use one of {', '.join(SAMPLERS)}.", field="sampler"
        ) from None

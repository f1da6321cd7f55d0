"""The samplers by name: each chooses which frames of a table to take, and says why."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from fractions import Fraction
from types import MappingProxyType

import numpy as np

from gateway.video.frame_table import FrameTable, Span
from gateway.video.shots import Glance, find_shots, share_out
from vidtomusictags.rpc import failures


@dataclass(frozen=True)
class Pick:
    """One chosen frame: its index in display order, the pts that was aimed at, and the reason in words."""

    index: int
    target: Fraction
    reason: str


@dataclass(frozen=True)
class Sampler:
    """A way of choosing frames.

    choose: picks at most `count` frames of the span, distinct and in time order; may glance at frames to decide.
    aims_at_keyframes: the table must hold the true display times of the keyframes, not predictions.
    reads_packets: the table must hold a trace of all packets.
    keeps_code_values: pictures are exactly what the decoder's code values convert to, so HDR is not tone-mapped.
    """

    description: str
    choose: Callable[[FrameTable, Span, int, Glance], list[Pick]]
    aims_at_keyframes: bool = False
    reads_packets: bool = False
    keeps_code_values: bool = False


def uniform(table: FrameTable, span: Span, count: int, glance: Glance) -> list[Pick]:
    """The frames on display at the middles of `count` equal spans of time; each frame once."""
    picks: dict[int, Pick] = {}
    for number in range(count):
        target = span.middle(number, count)
        index = table.shown_at(target)
        picks.setdefault(index, Pick(index, target, f"middle of span {number + 1} of {count}"))
    return list(picks.values())


def notebook(table: FrameTable, span: Span, count: int, glance: Glance) -> list[Pick]:
    """Every (total / count)-th frame from the first on, as `numpy.arange(0, total, total / count)` counts them.

    The formula is that of the prototype, float steps and rounding included; what it repeats or what lies past the last
    frame is taken once or not at all, as the prototype's reading loop did.
    """
    frames = table.frames_of(span)
    total = len(frames)
    wanted = np.unique(np.arange(0, total, total / count).astype(int)).tolist()
    return [
        Pick(
            frames[offset], Fraction(table.pts[frames[offset]]), f"frame {offset} of {total}, a step of {total}/{count}"
        )
        for offset in wanted
        if offset < total
    ]


def snap(table: FrameTable, span: Span, count: int, glance: Glance) -> list[Pick]:
    """A keyframe within each of `count` equal spans where there is one, the nearest to its middle; else the middle.

    A keyframe within half a span of the middle is the same as one within the span, so that no keyframe serves twice.
    The frames are distinct as long as the span has as many.
    """
    frames = table.frames_of(span)
    count = min(count, len(frames))
    picks: list[Pick] = []
    for number in range(count):
        target = span.middle(number, count)
        half = (span.end - span.start) / (2 * count)
        key = table.key_nearest(target, target - half, target + half)
        wanted = table.shown_at(target) if key is None else key
        # Where frames are long, two spans may fall into one; take neighbours rather than the same frame twice.
        index = min(max(wanted, picks[-1].index + 1 if picks else frames.start), frames.stop - (count - number))
        away = float((table.pts[index] - target) * table.time_base)
        what = "keyframe" if key == index else "no keyframe near, exact frame"
        picks.append(Pick(index, target, f"{what}, {away:+.3f} s from the middle of span {number + 1} of {count}"))
    return picks


def shots(table: FrameTable, span: Span, count: int, glance: Glance) -> list[Pick]:
    """Frames from as many shots as possible, the longest first; more than one of a shot only when all have one."""
    frames = table.frames_of(span)
    found = find_shots(table, frames, count, glance)
    picks = []
    for number, (shot, share) in enumerate(zip(found, share_out(found, count), strict=True)):
        for part in range(share):
            index = shot.first + (2 * part + 1) * shot.length // (2 * share)
            which = f", part {part + 1} of {share}" if share > 1 else ""
            picks.append(Pick(index, Fraction(table.pts[index]), f"shot {number + 1} of {len(found)}{which}"))
    return picks


SAMPLERS: Mapping[str, Sampler] = MappingProxyType(
    {
        "uniform": Sampler("the middles of equal spans of time", uniform),
        "notebook": Sampler(
            "every n-th frame from the first on, as the prototype counted", notebook, keeps_code_values=True
        ),
        "snap": Sampler("a keyframe near the middle of each span, for speed", snap, aims_at_keyframes=True),
        "shots": Sampler("as many different shots as possible, the longest first", shots, reads_packets=True),
    }
)


def sampler_named(name: str) -> Sampler:
    """The sampler of that name. Raises UnknownSampler, which lists those that exist."""
    try:
        return SAMPLERS[name]
    except KeyError:
        raise failures.UnknownSampler(
            f"There is no sampler {name[:40]!r}; use one of {', '.join(SAMPLERS)}.", field="sampler"
        ) from None

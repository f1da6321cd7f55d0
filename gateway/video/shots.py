"""Finding where shots begin at the cost of a few short decodes, and spreading frames over them.

A cut makes a packet large, since little of its picture can be predicted. Sizes alone also report flashes and sudden
motion, and mean little in VP9 and AV1, whose packets may hold hidden pictures; so they only nominate candidates, and
thumbnails of the frames around each decide. The cost is reading the file once, without decoding, and decoding the GOPs
around at most `MOST_CANDIDATES` places: bounded by GOP length, not by the length of the video.

Constants were tuned on 180 clips of 320x180: 6 edit lists of 3 to 20 shots, real and synthetic, with cuts, dissolves,
fades or flashes, in 6 to 12 encodings. There, 8 frames cover 0.993 of the shots that 8 frames can cover (equal spans of
time 0.929, packet sizes without thumbnails 0.72 to 1.00 by codec and transition) in 2.7 times the time of `uniform`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray

from gateway.video.frame_table import FrameTable, PacketTrace

MOST_CANDIDATES = 128
_CANDIDATES_PER_FRAME = 6
_FEWEST_CANDIDATES = 48

# A packet is a candidate from this multiple of its neighbours' median and this share of a usual keyframe.
_OVER_NEIGHBOURS, _OVER_KEYFRAME = 1.25, 0.10
_BEFORE, _AFTER = 6, 4
# Frames this far before and after a true cut differ by so many levels on average, and so many times as much as the
# frames on one side of it differ among themselves.
_SECONDS_ASIDE, _LEVELS, _OVER_MOTION = 0.2, 14.0, 2.5

Thumbnail = NDArray[np.float32]
# Small pictures of the frames at some indices; those that cannot be decoded are missing.
Glance = Callable[[Iterable[int]], Mapping[int, Thumbnail]]


@dataclass(frozen=True)
class Shot:
    """Frames first <= index < after, in display order."""

    first: int
    after: int

    @property
    def length(self) -> int:
        return self.after - self.first


def find_shots(table: FrameTable, frames: range, count: int, glance: Glance) -> list[Shot]:
    """The shots within `frames`, in time order; one shot where the packets were not traced or show no cut."""
    cuts: list[int] = []
    if table.trace is not None:
        most = min(MOST_CANDIDATES, max(_FEWEST_CANDIDATES, _CANDIDATES_PER_FRAME * count))
        candidates = _candidates(table, table.trace, frames)[:most]
        cuts = _confirmed(candidates + _gaps(candidates, table, frames, most), table, frames, glance)
    edges = [frames.start, *cuts, frames.stop]
    return [Shot(first, after) for first, after in pairwise(edges)]


def share_out(shots: list[Shot], count: int) -> list[int]:
    """How many of `count` frames each shot gets: one each while they last, the longest first; then by length."""
    shares = [0] * len(shots)
    for _ in range(min(count, sum(shot.length for shot in shots))):
        open_shots = [i for i, shot in enumerate(shots) if shares[i] < shot.length]
        unseen = [i for i in open_shots if shares[i] == 0]
        shares[max(unseen or open_shots, key=lambda i: shots[i].length / (shares[i] + 1))] += 1
    return shares


def _candidates(table: FrameTable, trace: PacketTrace, frames: range) -> list[int]:
    """Indices of frames that may begin a shot, the likeliest first."""
    sizes = np.asarray(trace.sizes, dtype=np.float64)
    keys = np.asarray(trace.keys)
    if keys.mean() > 0.5:
        positions, strengths = _steps_of_size(table, trace, sizes)
    else:
        positions, strengths = _bursts_of_size(sizes, keys, np.asarray(trace.droppable))
    chosen: list[int] = []
    for position in positions[np.argsort(-strengths, kind="stable")]:
        index = table.index_of(trace.pts[position])
        if frames.start < index < frames.stop and all(abs(index - other) > _BEFORE for other in chosen):
            chosen.append(index)
        if len(chosen) == MOST_CANDIDATES:
            break
    return chosen


def _gaps(candidates: list[int], table: FrameTable, frames: range, most: int) -> list[int]:
    """In clips so short that `most` places see all of it: places where the candidates leave something unseen."""
    step = max(2, round(2 * _aside(table) * len(table.pts) / (table.end - table.start)))
    if len(frames) > most * step:
        return []
    places = range(frames.start + step // 2, frames.stop, step)
    return [place for place in places if all(abs(place - candidate) > step // 4 for candidate in candidates)]


def _aside(table: FrameTable) -> int:
    """How far from a candidate to look, in units of the time base: at least one frame."""
    return max(round(_SECONDS_ASIDE / table.time_base), -(-(table.end - table.start) // len(table.pts)))


def _steps_of_size(
    table: FrameTable, trace: PacketTrace, sizes: NDArray[np.float64]
) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    """All-intra video: places where the usual size of a frame changes, with how much it does."""
    order = np.argsort(np.asarray(trace.pts), kind="stable")
    logs = np.log(np.maximum(sizes[order], 1.0))
    if len(logs) < 2 * _BEFORE:
        return np.empty(0, np.int64), np.empty(0)
    medians = np.median(sliding_window_view(logs, _BEFORE), axis=1)
    steps = np.abs(medians[_BEFORE:] - medians[:-_BEFORE])
    return order[_BEFORE : _BEFORE + len(steps)], steps


def _bursts_of_size(
    sizes: NDArray[np.float64], keys: NDArray[np.bool_], droppable: NDArray[np.bool_]
) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    """Predicted video: reference packets larger than those around them, and all keyframes, with how likely they are."""
    key_positions = np.flatnonzero(keys)
    spacings = np.diff(key_positions)
    regular = spacings.max() if len(spacings) else len(sizes)
    # An encoder that looks for cuts puts a keyframe there, before the next one is due. A cut can also fall on a regular
    # keyframe; then only its size, against that of the keyframe before, may give it away.
    steps = np.abs(np.diff(np.log(np.maximum(sizes[key_positions], 1.0))))
    key_strengths = np.where(spacings < regular - 2, 1000.0, 0.9 * _OVER_NEIGHBOURS * (1 + steps))

    references = np.flatnonzero(~keys & ~droppable)
    if len(references) == 0:
        return key_positions[1:], key_strengths
    padded = np.pad(sizes[references], (_BEFORE, _AFTER), constant_values=np.nan)
    windows = sliding_window_view(padded, _BEFORE + 1 + _AFTER).copy()
    windows[:, _BEFORE] = np.nan  # the packet itself
    if len(references) == 1:
        windows[:, _BEFORE] = sizes[references]
    ratios = sizes[references] / np.nanmedian(windows, axis=1)
    large = (ratios > _OVER_NEIGHBOURS) & (sizes[references] > _OVER_KEYFRAME * np.median(sizes[key_positions]))
    return (
        np.concatenate([key_positions[1:], references[large]]),
        np.concatenate([key_strengths, ratios[large]]),
    )


def _confirmed(candidates: list[int], table: FrameTable, frames: range, glance: Glance) -> list[int]:
    """The candidates around which the picture changes for good, in time order."""
    aside = _aside(table)
    around = {}
    for index in candidates:
        pts = table.pts[index]
        places = [table.index_of(pts + offset * aside) for offset in (-2, -1, 1, 2)]
        places = [min(max(place, frames.start), frames.stop - 1) for place in places]
        if len(set(places)) == len(places):  # else it is so near an end that there is nothing to compare
            around[index] = places
    thumbnails = glance({place for places in around.values() for place in places})

    def difference(a: int, b: int) -> float:
        if a not in thumbnails or b not in thumbnails:
            return 0.0
        return float(np.abs(thumbnails[a] - thumbnails[b]).mean())

    strengths: dict[int, float] = {}
    for index, (far_before, before, after, far_after) in around.items():
        # From each side to each, so that a flash on one of the four frames is not taken for a change that lasts.
        change = min(difference(a, b) for a in (far_before, before) for b in (after, far_after))
        motion = min(difference(far_before, before), difference(after, far_after))
        if change > _LEVELS and change > _OVER_MOTION * motion:
            strengths[index] = change / (motion + 2)
    # One cut may have several candidates, and a dissolve has many: the clearest within reach stands for all.
    cuts: list[int] = []
    for index in sorted(strengths, key=lambda i: -strengths[i]):
        if all(abs(table.pts[index] - table.pts[other]) > 1.6 * aside for other in cuts):
            cuts.append(index)
    return sorted(cuts)

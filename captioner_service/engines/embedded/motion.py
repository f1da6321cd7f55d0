"""What changes from frame to frame, as far as the time between them lets it be told: cuts, views, amount of change."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from captioner_service.engines.embedded.camera import Camera, measure_camera

CLOSE_SECONDS = 0.25
"""Neighbours at most this far apart show movement; frames further apart only show that something changed."""

_THUMBNAIL = (64, 36)
_HISTOGRAM_BINS = (12, 4, 4)

_UNLIKE_CORRELATION = 0.25
_UNLIKE_CHANGE = 0.10
_OTHER_COLOURS = 0.35
_CHANGE_OF_A_CUT = 4.0
"""Two shots of one palette differ in structure alone; then the change must stand out from the clip's median change."""


@dataclass(frozen=True)
class Motion:
    """Facts on two or more frames.

    frames, span_seconds: how many frames there are and the time from the first to the last.
    all_close: every neighbour is close, so cuts can be counted and pace be told.
    gap_seconds: median time between those neighbours that are not close; 0 when all are.
    cuts: cuts between close neighbours.
    change: median difference between those that are not close, mean absolute RGB difference, 0 to 1; 0 when all are.
    views: how many pictures there are at least that have next to nothing in common.
    camera: movement between close neighbours of one shot; None where there are none, or nothing to hold on to.
    """

    frames: int
    span_seconds: float
    all_close: bool
    gap_seconds: float
    cuts: int
    change: float
    views: int
    camera: Camera | None


def measure_motion(frames: NDArray[np.uint8], pts_seconds: Sequence[float]) -> Motion | None:
    """Of frames, uint8 (n, height, width, 3) RGB, and their ascending times. None for a single frame."""
    if len(frames) < 2:
        return None
    times = np.asarray(pts_seconds, np.float64)
    gaps = np.diff(times)
    prints = _Prints(frames)
    close = gaps <= CLOSE_SECONDS
    cuts = prints.cuts() & close
    return Motion(
        frames=len(frames),
        span_seconds=float(times[-1] - times[0]),
        all_close=bool(close.all()),
        gap_seconds=0.0 if close.all() else float(np.median(gaps[~close])),
        cuts=int(cuts.sum()),
        change=0.0 if close.all() else float(np.median(prints.changes[~close])),
        views=prints.count_views(),
        camera=measure_camera(frames, times, linked=close & ~cuts),
    )


class _Prints:
    """A thumbnail, its structure in grey and its histogram of every frame, to compare frames by."""

    def __init__(self, frames: NDArray[np.uint8]) -> None:
        thumbnails = [cv2.resize(frame, _THUMBNAIL, interpolation=cv2.INTER_AREA) for frame in frames]
        self._colour = np.stack([thumbnail.ravel() for thumbnail in thumbnails]).astype(np.float32) / 255.0
        grey = np.stack([cv2.cvtColor(thumbnail, cv2.COLOR_RGB2GRAY).ravel() for thumbnail in thumbnails])
        centred = grey - grey.mean(axis=1, keepdims=True, dtype=np.float32)
        self._structure = centred / np.maximum(np.linalg.norm(centred, axis=1, keepdims=True), 1e-6)
        self._histograms = np.stack([_histogram(thumbnail) for thumbnail in thumbnails])
        self.changes: NDArray[np.float32] = np.abs(np.diff(self._colour, axis=0)).mean(axis=1)

    def cuts(self) -> NDArray[np.bool_]:
        """bool (frames - 1,): whether a cut divides neighbours. Dissolves and fades are missed."""
        stands_out = self.changes > _CHANGE_OF_A_CUT * np.median(self.changes)
        neighbours = range(len(self.changes))
        return np.array(
            [self._unlike(at, at + 1) and bool(stands_out[at] or self._other_colours(at, at + 1)) for at in neighbours]
        )

    def differ(self, one: int, other: int) -> bool:
        """Whether two frames have neither structure nor colours in common."""
        return self._unlike(one, other) and self._other_colours(one, other)

    def count_views(self) -> int:
        """A frame opens a new view when it resembles no frame of an earlier one; so this is a lower bound."""
        views: list[list[int]] = []
        for frame in range(len(self._colour)):
            known = next((view for view in views if any(not self.differ(frame, seen) for seen in view)), None)
            if known is None:
                views.append([frame])
            else:
                known.append(frame)
        return len(views)

    def _unlike(self, one: int, other: int) -> bool:
        correlation = float(self._structure[one] @ self._structure[other])
        change = float(np.abs(self._colour[one] - self._colour[other]).mean())
        return correlation < _UNLIKE_CORRELATION and change > _UNLIKE_CHANGE

    def _other_colours(self, one: int, other: int) -> bool:
        return float(0.5 * np.abs(self._histograms[one] - self._histograms[other]).sum()) > _OTHER_COLOURS


def _histogram(thumbnail: NDArray[np.uint8]) -> NDArray[np.float32]:
    hsv = cv2.cvtColor(thumbnail, cv2.COLOR_RGB2HSV)
    counts = cv2.calcHist([hsv], [0, 1, 2], None, list(_HISTOGRAM_BINS), [0, 180, 0, 256, 0, 256]).ravel()
    return np.asarray(counts / counts.sum(), np.float32)

"""How the camera moves between close neighbours of one shot, by sparse optical flow and one similarity transform."""

from __future__ import annotations

import math
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from captioner_service.engines.embedded.spread import spread

MOST_PAIRS = 16
"""Pairs of frames compared, whatever the length of the clip."""

_STEP_SECONDS = 0.125
"""Neighbours closer than this are skipped up to it: a longer way is measured more exactly."""

_AREA = 192 * 108
_CORNERS = 150
_FEWEST_POINTS = 12
_FLOW_WINDOW = (15, 15)
_FLOW_LEVELS = 3
_REPROJECTION_PIXELS = 1.0
_LEAST_AGREEMENT = 0.5
"""Below this share of points that move as one, no statement on the camera is worth making."""


@dataclass(frozen=True)
class Camera:
    """Medians over the pairs. Lengths are in frame widths, times in seconds.

    right, up: widths per second that the camera turns or travels. speed: the length of that vector, pair by pair.
    zoom: relative growth of the picture per second, positive when the camera comes closer.
    subject: how fast the tenth of the points that moves most does so against the rest.
    agreement: share of the points that the camera's movement explains, 0 to 1.
    """

    right: float
    up: float
    speed: float
    zoom: float
    subject: float
    agreement: float


def measure_camera(frames: NDArray[np.uint8], times: NDArray[np.float64], linked: NDArray[np.bool_]) -> Camera | None:
    """Of frames, uint8 (n, height, width, 3) RGB. linked[i]: frames i and i + 1 are close and of one shot.

    None when no pair is linked, or too little in the pictures can be followed.
    """
    pairs = _pair(times, linked)
    moves = [
        move
        for index in spread(len(pairs), MOST_PAIRS)
        if (move := _measure_pair(frames, *pairs[index], seconds=_seconds(times, *pairs[index]))) is not None
    ]
    if not moves:
        return None
    right, up, zoom, subject, agreement = (float(np.median(values)) for values in zip(*moves, strict=True))
    if agreement < _LEAST_AGREEMENT:
        return None
    speed = float(np.median([math.hypot(move[0], move[1]) for move in moves]))
    return Camera(right, up, speed, zoom, subject, agreement)


def _pair(times: NDArray[np.float64], linked: NDArray[np.bool_]) -> list[tuple[int, int]]:
    """For every frame with a linked neighbour: itself and the frame about one step later, over links alone."""
    pairs = []
    for first in range(len(linked)):
        last = first + 1 if linked[first] else first
        while first < last < len(linked) and linked[last] and _seconds(times, first, last + 1) <= _STEP_SECONDS:
            last += 1
        if _seconds(times, first, last) > 0:
            pairs.append((first, last))
    return pairs


def _seconds(times: NDArray[np.float64], first: int, last: int) -> float:
    return float(times[last] - times[first])


def _measure_pair(
    frames: NDArray[np.uint8], first: int, last: int, *, seconds: float
) -> tuple[float, float, float, float, float] | None:
    """right, up, zoom, subject and agreement of one pair; None when too few points can be followed."""
    before, after = _to_grey(frames[first]), _to_grey(frames[last])
    corners = cv2.goodFeaturesToTrack(before, _CORNERS, 0.01, 6)
    if corners is None or len(corners) < _FEWEST_POINTS:
        return None
    moved, found, _ = cv2.calcOpticalFlowPyrLK(
        before, after, corners, None, winSize=_FLOW_WINDOW, maxLevel=_FLOW_LEVELS
    )
    here, there = (points[found.ravel() == 1].reshape(-1, 2) for points in (corners, moved))
    if len(here) < _FEWEST_POINTS:
        return None
    transform, inliers = cv2.estimateAffinePartial2D(
        here, there, method=cv2.RANSAC, ransacReprojThreshold=_REPROJECTION_PIXELS
    )
    if transform is None:
        return None
    height, width = before.shape
    centre = np.array([width / 2, height / 2])
    shift = transform[:, :2] @ centre + transform[:, 2] - centre
    astray = np.linalg.norm(there - (here @ transform[:, :2].T + transform[:, 2]), axis=1)
    unit = width * seconds
    return (
        # The picture goes left when the camera goes right, and down when it goes up.
        float(-shift[0] / unit),
        float(shift[1] / unit),
        float((math.hypot(transform[0, 0], transform[1, 0]) - 1.0) / seconds),
        float(np.percentile(astray, 90) / unit),
        float(inliers.mean()),
    )


def _to_grey(frame: NDArray[np.uint8]) -> NDArray[np.uint8]:
    height, width = frame.shape[:2]
    scale = math.sqrt(_AREA / (height * width))
    size = (max(1, round(width * scale)), max(1, round(height * scale)))
    return np.asarray(cv2.cvtColor(cv2.resize(frame, size, interpolation=cv2.INTER_AREA), cv2.COLOR_RGB2GRAY), np.uint8)

"""Faces that look at the camera, found by OpenCV's Haar cascade (Viola and Jones, 2001)."""

from __future__ import annotations

import math
from dataclasses import dataclass
from pathlib import Path

import cv2
import cv2.data
import numpy as np
from numpy.typing import NDArray

from captioner_service.engines.embedded.spread import spread

MOST_FRAMES = 4
"""Frames looked at: one costs about 28 ms of one core, nearly twice as much as recognising what is in it."""

_CASCADE = "haarcascade_frontalface_alt2.xml"
_AREA = 400 * 225
"""Pixels that a frame is scaled to, whatever its shape."""

_SCALE_STEP = 1.12
_NEIGHBOURS = 6
_SMALLEST_FACE = 26


@dataclass(frozen=True)
class Faces:
    """counts: faces in each frame that was looked at. height: median height of a face, as a share of the frame's."""

    counts: tuple[int, ...]
    height: float = 0.0

    @property
    def frames_with_faces(self) -> int:
        return sum(count > 0 for count in self.counts)


class FaceFinder:
    """The cascade, loaded. Serves one thread. It misses profiles, turned and covered faces."""

    def __init__(self) -> None:
        """Raises RuntimeError with an OpenCV that has no cascades, as 5.0 has not."""
        if not hasattr(cv2, "CascadeClassifier"):
            raise RuntimeError(
                f"OpenCV {cv2.__version__} has no cascade classifier, which the embedded captioner finds faces with:"
                " pip install 'opencv-python-headless>=4.10,<5'"
            )
        self._cascade = cv2.CascadeClassifier(str(Path(cv2.data.haarcascades) / _CASCADE))

    def find(self, frames: NDArray[np.uint8]) -> Faces:
        """In frames, uint8 (n, height, width, 3) RGB."""
        counts = []
        heights: list[float] = []
        for index in spread(len(frames), MOST_FRAMES):
            grey = _to_grey(frames[index])
            found = self._cascade.detectMultiScale(grey, _SCALE_STEP, _NEIGHBOURS, minSize=(_SMALLEST_FACE,) * 2)
            counts.append(len(found))
            heights += [float(face[3]) / grey.shape[0] for face in found]
        return Faces(tuple(counts), float(np.median(heights)) if heights else 0.0)


def _to_grey(frame: NDArray[np.uint8]) -> NDArray[np.uint8]:
    height, width = frame.shape[:2]
    scale = math.sqrt(_AREA / (height * width))
    size = (max(1, round(width * scale)), max(1, round(height * scale)))
    grey = cv2.cvtColor(cv2.resize(frame, size, interpolation=cv2.INTER_AREA), cv2.COLOR_RGB2GRAY)
    return np.asarray(cv2.equalizeHist(grey), np.uint8)

"""Where faces are looked for, and what is no face."""

from __future__ import annotations

from collections.abc import Callable

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from captioner_service.engines.embedded.faces import MOST_FRAMES, FaceFinder

Texture = Callable[[int, int, int], NDArray[np.uint8]]


@pytest.fixture(scope="module")
def finder() -> FaceFinder:
    return FaceFinder()


def test_four_frames_of_many_are_looked_at(finder: FaceFinder, texture: Texture) -> None:
    frames = np.stack([texture(1, 90, 160)] * 9)
    assert finder.find(frames).counts == (0,) * MOST_FRAMES


def test_blobs_are_no_faces(finder: FaceFinder, texture: Texture) -> None:
    faces = finder.find(np.stack([texture(seed, 180, 320) for seed in range(4)]))
    assert faces.frames_with_faces == 0
    assert faces.height == 0


@pytest.mark.parametrize("shape", [(1, 1), (2, 900), (900, 2), (16, 16)])
def test_frames_of_any_shape_are_survived(finder: FaceFinder, shape: tuple[int, int]) -> None:
    assert finder.find(np.zeros((1, *shape, 3), np.uint8)).counts == (0,)


def test_an_opencv_without_cascades_is_refused_with_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delattr(cv2, "CascadeClassifier")
    with pytest.raises(RuntimeError, match=r"pip install 'opencv-python-headless>=4\.10,<5'"):
        FaceFinder()

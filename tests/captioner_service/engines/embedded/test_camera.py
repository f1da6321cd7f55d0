"""The camera's movement in pictures that were shifted and scaled by known amounts."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from captioner_service.engines.embedded.camera import Camera, measure_camera

Frames = NDArray[np.uint8]
Texture = Callable[[int, int, int], Frames]

GAP = 0.04


def measure(pictures: Iterator[Frames]) -> Camera:
    frames = np.stack(list(pictures))
    times = GAP * np.arange(len(frames), dtype=np.float64)
    camera = measure_camera(frames, times, np.ones(len(frames) - 1, np.bool_))
    assert camera is not None
    return camera


@pytest.mark.parametrize(("across", "along"), [(2, 0), (-2, 0), (0, 2), (0, -2)])
def test_a_shift_is_measured_with_its_direction(texture: Texture, across: int, along: int) -> None:
    wide = texture(3, 220, 300)
    camera = measure(
        wide[50 + along * step : 140 + along * step, 70 + across * step : 230 + across * step] for step in range(12)
    )
    assert camera.right == pytest.approx(across / 160 / GAP, abs=0.02)
    assert camera.up == pytest.approx(-along / 160 / GAP, abs=0.02)
    assert camera.speed == pytest.approx(2 / 160 / GAP, abs=0.02)
    assert abs(camera.zoom) < 0.02
    assert camera.agreement > 0.9


def test_a_still_picture_stands_still(texture: Texture) -> None:
    camera = measure(texture(3, 90, 160) for _ in range(6))
    assert camera.speed < 0.001
    assert camera.subject < 0.001


def test_growth_is_a_zoom(texture: Texture) -> None:
    picture = texture(3, 180, 320)

    def grown(step: int) -> Frames:
        turn = cv2.getRotationMatrix2D((160, 90), 0, 1.01**step)
        return np.asarray(cv2.warpAffine(picture, turn, (320, 180))[45:135, 80:240], np.uint8)

    camera = measure(grown(step) for step in range(12))
    assert camera.zoom == pytest.approx(np.log(1.01) / GAP, rel=0.1)


def test_a_moving_subject_is_told_from_the_camera(texture: Texture) -> None:
    def with_subject(step: int) -> Frames:
        picture = texture(3, 90, 160).copy()
        picture[20:65, 20 + 3 * step : 65 + 3 * step] = texture(4, 90, 160)[:45, :45]
        return picture

    camera = measure(with_subject(step) for step in range(8))
    assert camera.speed < 0.01
    assert camera.subject == pytest.approx(3 / 160 / GAP, rel=0.15)


def test_a_picture_without_anything_to_hold_on_to_gives_no_statement() -> None:
    frames = np.full((4, 90, 160, 3), 90, np.uint8)
    assert measure_camera(frames, GAP * np.arange(4.0), np.ones(3, np.bool_)) is None


def test_pictures_that_do_not_belong_together_give_no_statement(texture: Texture) -> None:
    frames = np.stack([texture(seed, 90, 160) for seed in range(5)])
    assert measure_camera(frames, GAP * np.arange(5.0), np.ones(4, np.bool_)) is None

"""Cuts and change at places that are known, in frames close in time and far apart."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from numpy.typing import NDArray

from captioner_service.engines.embedded.motion import Motion, measure_motion

Frames = NDArray[np.uint8]
Texture = Callable[[int, int, int], Frames]
Plain = Callable[..., Frames]

DENSE, SPARSE = 0.04, 1.3


def tint(picture: Frames, rgb: tuple[float, float, float]) -> Frames:
    return np.asarray(picture * np.array(rgb), np.uint8)


@pytest.fixture(scope="module")
def scenes(texture: Texture) -> list[Frames]:
    """Three pictures with neither structure nor colours in common."""
    tints = ((1.0, 0.3, 0.2), (0.2, 0.4, 1.0), (0.3, 1.0, 0.3))
    return [tint(texture(seed, 90, 160), rgb) for seed, rgb in enumerate(tints)]


def measure(pictures: list[Frames], gap_seconds: float) -> Motion:
    motion = measure_motion(np.stack(pictures), [gap_seconds * index for index in range(len(pictures))])
    assert motion is not None
    return motion


def test_a_single_frame_has_no_motion(plain: Plain) -> None:
    assert measure_motion(plain((90, 90, 90)), [3.0]) is None


def test_cuts_between_close_frames_are_counted(scenes: list[Frames]) -> None:
    motion = measure([scenes[0]] * 10 + [scenes[1]] * 10 + [scenes[2]] * 10, DENSE)
    assert motion.all_close
    assert (motion.cuts, motion.views) == (2, 3)


def test_a_cut_between_shots_of_one_palette_is_found(texture: Texture) -> None:
    shots = [texture(seed, 90, 160) for seed in (1, 2)]
    assert measure([shots[0]] * 10 + [shots[1]] * 10, DENSE).cuts == 1


def test_a_moving_subject_is_no_cut(texture: Texture) -> None:
    pictures = []
    for step in range(20):
        picture = texture(1, 90, 160).copy()
        picture[30:60, 6 * step : 6 * step + 40] = (250, 30, 30)
        pictures.append(picture)
    assert measure(pictures, DENSE).cuts == 0


def test_a_pan_is_no_cut(texture: Texture) -> None:
    wide = texture(1, 90, 400)
    assert measure([wide[:, 10 * step : 10 * step + 160] for step in range(20)], DENSE).cuts == 0


def test_a_change_of_light_is_no_cut(texture: Texture) -> None:
    picture = texture(1, 90, 160)
    assert measure([tint(picture, (light,) * 3) for light in np.linspace(1, 0.3, 20)], DENSE).cuts == 0


def test_frames_far_apart_show_views_and_no_cuts(scenes: list[Frames]) -> None:
    motion = measure([scenes[0], scenes[1], scenes[1], scenes[0], scenes[2]], SPARSE)
    assert not motion.all_close
    assert (motion.cuts, motion.views) == (0, 3)
    assert motion.gap_seconds == pytest.approx(SPARSE)


def test_frames_far_apart_give_no_camera_movement(texture: Texture) -> None:
    wide = texture(1, 90, 400)
    assert measure([wide[:, 5 * step : 5 * step + 160] for step in range(8)], SPARSE).camera is None


def test_the_camera_is_measured_on_the_close_neighbours_among_frames_far_apart(texture: Texture) -> None:
    wide = texture(1, 90, 400)
    pictures = [wide[:, at : at + 160] for at in (0, 4, 100, 104)]
    motion = measure_motion(np.stack(pictures), [0.0, 0.1, 2.0, 2.1])
    assert motion is not None
    assert motion.camera is not None
    assert motion.camera.right == pytest.approx(4 / 160 / 0.1, rel=0.1)
    assert motion.gap_seconds == pytest.approx(1.9)


def test_a_cut_between_close_neighbours_leaves_no_camera_movement(scenes: list[Frames]) -> None:
    motion = measure([scenes[0], scenes[1]], DENSE)
    assert motion.cuts == 1
    assert motion.camera is None


def test_equal_frames_have_no_change(texture: Texture) -> None:
    motion = measure([texture(1, 90, 160)] * 4, SPARSE)
    assert (motion.change, motion.views) == (0, 1)


def test_frames_of_one_time_are_survived(texture: Texture) -> None:
    motion = measure([texture(1, 90, 160)] * 4, 0.0)
    assert (motion.span_seconds, motion.camera) == (0, None)

"""Light and colour of pictures whose light and colour are known."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from numpy.typing import NDArray

from captioner_service.engines.embedded.look import measure_look

Plain = Callable[..., NDArray[np.uint8]]


@pytest.mark.parametrize(
    ("rgb", "name"),
    [
        ((0, 0, 0), "black"),
        ((60, 60, 60), "dark grey"),
        ((128, 128, 128), "grey"),
        ((200, 200, 200), "light grey"),
        ((255, 255, 255), "white"),
        ((220, 20, 20), "red"),
        ((255, 140, 0), "orange"),
        ((20, 60, 220), "blue"),
        ((10, 20, 90), "dark blue"),
        ((135, 206, 235), "light blue"),
        ((30, 150, 40), "green"),
        ((255, 230, 40), "yellow"),
        ((128, 0, 128), "purple"),
        ((255, 182, 193), "pink"),
        ((101, 67, 33), "brown"),
    ],
)
def test_a_plain_colour_gets_its_everyday_name(plain: Plain, rgb: tuple[int, int, int], name: str) -> None:
    assert measure_look(plain(rgb)).colours == ((name, 1.0),)


def test_a_grey_with_a_tinge_is_grey(plain: Plain) -> None:
    assert measure_look(plain((190, 186, 178))).colours[0][0] == "light grey"


def test_shares_of_colours_are_those_of_the_area(plain: Plain) -> None:
    frames = plain((220, 20, 20))
    frames[:, :, 120:] = (20, 60, 220)
    colours = dict(measure_look(frames).colours)
    assert colours["red"] == pytest.approx(0.75, abs=0.02)
    assert colours["blue"] == pytest.approx(0.25, abs=0.02)


def test_light_runs_from_black_to_white(plain: Plain) -> None:
    frames = np.concatenate([plain((0, 0, 0)), plain((255, 255, 255))])
    look = measure_look(frames)
    assert (look.darkest, look.light, look.brightest) == pytest.approx((0, 0.5, 1), abs=0.01)


def test_contrast_is_within_frames_and_not_between_them(plain: Plain) -> None:
    assert measure_look(np.concatenate([plain((0, 0, 0)), plain((255, 255, 255))])).contrast == 0
    half = plain((0, 0, 0))
    half[:, 45:] = 255
    assert measure_look(half).contrast == pytest.approx(0.5, abs=0.01)


def test_warmth_puts_orange_above_grey_above_blue(plain: Plain) -> None:
    orange, grey, blue = (measure_look(plain(c)).warmth for c in ((235, 130, 30), (128, 128, 128), (40, 90, 190)))
    assert orange > 0
    assert grey == pytest.approx(-0.5, abs=0.02)
    assert blue < -1


def test_grey_is_not_colourful_and_a_rainbow_is(plain: Plain) -> None:
    rainbow = plain((0, 0, 0))
    for column, rgb in enumerate([(255, 0, 0), (255, 255, 0), (0, 255, 0), (0, 0, 255)]):
        rainbow[:, :, 40 * column : 40 * (column + 1)] = rgb
    assert measure_look(plain((128, 128, 128))).colourfulness == 0
    assert measure_look(rainbow).colourfulness > 82

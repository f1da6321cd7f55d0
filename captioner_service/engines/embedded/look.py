"""How the picture looks: named colours, light, contrast, colourfulness and warmth, measured on thumbnails."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

_THUMBNAIL = (48, 27)

_NEUTRALS: Mapping[str, tuple[int, int, int]] = {
    "black": (15, 15, 15),
    "dark grey": (70, 70, 70),
    "grey": (130, 130, 130),
    "light grey": (190, 190, 190),
    "white": (245, 245, 245),
}
_HUES: Mapping[str, tuple[int, int, int]] = {
    "red": (190, 30, 35),
    "orange": (235, 130, 30),
    "brown": (110, 70, 40),
    "beige": (215, 195, 160),
    "yellow": (240, 215, 50),
    "green": (60, 140, 55),
    "light green": (150, 195, 90),
    "dark green": (35, 65, 35),
    "teal": (30, 140, 140),
    "blue": (40, 90, 190),
    "light blue": (150, 195, 230),
    "dark blue": (20, 35, 85),
    "purple": (115, 50, 140),
    "pink": (235, 150, 180),
}
"""Names with an sRGB value that everybody would call so."""

_NEUTRAL_CHROMA = 14.0
"""Below this chroma C* a colour is a shade of grey to the eye, whatever hue it computes to."""

_BLACK_LIGHTNESS = 8.0
"""Below this lightness L* no hue is seen."""

_LAB_WEIGHTS = np.array([0.5, 1.6, 1.6], np.float32)
"""Lightness counts less than hue when a colour is named: dark red is still red."""


@dataclass(frozen=True)
class Look:
    """Shares and means over all frames; between 0 and 1 unless said otherwise.

    colours: names with the share of the picture that is nearest to them in CIE Lab, largest first.
    light: mean lightness L*. darkest, brightest: the same of the extreme frames.
    contrast: mean over the frames of the standard deviation of grey.
    colourfulness: the measure of Hasler and Süsstrunk (2003): 15 is slightly, 33 moderately, 45 averagely, 59 quite,
        82 highly colourful.
    warmth: mean over the pixels of the warm-cool scale of Ou et al. (2004): red and orange above 0, grey -0.5, blue
        below -1.
    """

    colours: tuple[tuple[str, float], ...]
    light: float
    darkest: float
    brightest: float
    contrast: float
    colourfulness: float
    warmth: float


def measure_look(frames: NDArray[np.uint8]) -> Look:
    """Of frames, uint8 (n, height, width, 3) RGB with n >= 1."""
    thumbnails = np.stack([cv2.resize(frame, _THUMBNAIL, interpolation=cv2.INTER_AREA) for frame in frames])
    pixels = thumbnails.reshape(1, -1, 3)
    lab = _to_lab(pixels)
    light = (lab[:, 0] / 255.0).reshape(len(frames), -1).mean(axis=1)
    grey = cv2.cvtColor(pixels, cv2.COLOR_RGB2GRAY).reshape(len(frames), -1).astype(np.float32)
    return Look(
        colours=_name_colours(lab),
        light=float(light.mean()),
        darkest=float(light.min()),
        brightest=float(light.max()),
        contrast=float(grey.std(axis=1).mean() / 255.0),
        colourfulness=float(np.mean([_measure_colourfulness(thumbnail) for thumbnail in thumbnails])),
        warmth=_measure_warmth(lab),
    )


def _to_lab(pixels: NDArray[np.uint8]) -> NDArray[np.float32]:
    """float32 (pixels, 3), in OpenCV's 8-bit scale: L* times 2.55, a* and b* plus 128."""
    return np.asarray(cv2.cvtColor(pixels, cv2.COLOR_RGB2LAB)[0], np.float32)


def _measure_colourfulness(thumbnail: NDArray[np.uint8]) -> float:
    """Hasler and Süsstrunk, "Measuring colourfulness in natural images", 2003, section 7, the metric in RGB."""
    red, green, blue = np.moveaxis(thumbnail.astype(np.float32), 2, 0)
    red_green, yellow_blue = red - green, 0.5 * (red + green) - blue
    spread = np.hypot(red_green.std(), yellow_blue.std())
    return float(spread + 0.3 * np.hypot(red_green.mean(), yellow_blue.mean()))


def _measure_warmth(lab: NDArray[np.float32]) -> float:
    """Ou, Luo, Woodcock and Wright, "A study of colour emotion and colour preference, part I", 2004, warm-cool."""
    red, yellow = lab[:, 1] - 128.0, lab[:, 2] - 128.0
    scale = -0.5 + 0.02 * np.hypot(red, yellow) ** 1.07 * np.cos(np.arctan2(yellow, red) - np.radians(50.0))
    return float(scale.mean())


def _name_colours(lab: NDArray[np.float32]) -> tuple[tuple[str, float], ...]:
    names = [*_NEUTRALS, *_HUES]
    anchors = _to_lab(np.array([[*_NEUTRALS.values(), *_HUES.values()]], np.uint8))
    distances = (((lab[:, None] - anchors[None]) ** 2) * _LAB_WEIGHTS).sum(axis=2)
    chroma = np.hypot(lab[:, 1] - 128.0, lab[:, 2] - 128.0)
    neutral = (chroma < _NEUTRAL_CHROMA) | (lab[:, 0] / 2.55 < _BLACK_LIGHTNESS)
    is_neutral_name = np.arange(len(names)) < len(_NEUTRALS)
    distances[neutral[:, None] != is_neutral_name[None]] = np.inf
    shares = np.bincount(distances.argmin(axis=1), minlength=len(names)) / len(lab)
    named = [(name, float(share)) for name, share in zip(names, shares, strict=True) if share > 0]
    return tuple(sorted(named, key=lambda colour: -colour[1]))

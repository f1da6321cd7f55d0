"""Bringing HDR pictures, PQ or HLG, to the brightness and colours of SDR, which is what models were trained on."""

from __future__ import annotations

from functools import cache

import numpy as np
from numpy.typing import NDArray

# Transfer characteristics of ITU-T H.273, table 3, and primaries of its table 2.
TRANSFER_PQ, TRANSFER_HLG = 16, 18
PRIMARIES_BT2020 = 9

# Nits. What most HDR is mastered for, and what HLG is shown at where nothing else is said (BT.2100, table 5).
_SOURCE_PEAK = 1000.0
# Diffuse white of HDR (BT.2408, table 1), which becomes the white of SDR.
_WHITE = 203.0

# SMPTE ST 2084, the PQ of BT.2100, table 4.
_M1, _M2 = 2610 / 16384, 2523 / 4096 * 128
_C1, _C2, _C3 = 3424 / 4096, 2413 / 4096 * 32, 2392 / 4096 * 32
# HLG of BT.2100, table 5.
_A = 0.17883277
_B, _C = 1 - 4 * _A, 0.5 - _A * np.log(4 * _A)
_HLG_GAMMA = 1.2
_LUMINANCE_BT2020 = np.array([0.2627, 0.6780, 0.0593], np.float32)
# BT.2087, the inverse of its equation for BT.709 to BT.2020.
_BT2020_TO_BT709 = np.array(
    [[1.6605, -0.5876, -0.0728], [-0.1246, 1.1329, -0.0083], [-0.0182, -0.1006, 1.1187]], np.float32
)

_ROWS = 16
_ROOT_STEPS = 65535 / 100  # up to the 10,000 nits of PQ

Light = NDArray[np.float32]


def tone_mapped(picture: NDArray[np.uint16], transfer: int, primaries: int) -> NDArray[np.uint8]:
    """An HDR picture, uint16 (height, width, 3) of full-range R'G'B', as uint8 sRGB of the same shape.

    The roll-off of BT.2390 (5.4.1, with black at 0) works on the largest of the three, so that hues stay: it leaves
    what is darker than 95 nits as it is and brings 1000 nits, and all above, down to the white of SDR.
    """
    result = np.empty(picture.shape, np.uint8)
    for first in range(0, len(picture), _ROWS):  # strips that the processor's cache holds
        strip = picture[first : first + _ROWS]
        light = np.take(_pq_light(), strip) if transfer == TRANSFER_PQ else _hlg_light(strip)
        brightest = light.max(axis=2)
        light *= np.take(_roll_off(), (np.sqrt(brightest) * _ROOT_STEPS).astype(np.uint16))[..., None]
        if primaries == PRIMARIES_BT2020:
            light = (light.reshape(-1, 3) @ _BT2020_TO_BT709.T).reshape(strip.shape)
        np.clip(light, 0.0, 1.0, out=light)
        light *= 65535
        result[first : first + _ROWS] = np.take(_srgb(), light.astype(np.uint16))
    return result


@cache
def _pq_light() -> Light:
    """Nits by 16-bit code."""
    return _pq_to_nits(np.arange(65536) / 65535).astype(np.float32)


def _pq_to_nits(signal: NDArray[np.float64]) -> NDArray[np.float64]:
    root = signal ** (1 / _M2)
    return np.asarray(10000 * (np.maximum(root - _C1, 0) / (_C2 - _C3 * root)) ** (1 / _M1))


def _nits_to_pq(nits: NDArray[np.float64]) -> NDArray[np.float64]:
    power = (nits / 10000) ** _M1
    return np.asarray(((_C1 + _C2 * power) / (1 + _C3 * power)) ** _M2)


@cache
def _hlg_scene() -> Light:
    """Scene light, 0 to 1, by 16-bit code."""
    signal = np.arange(65536) / 65535
    return np.where(signal <= 0.5, signal**2 / 3, (np.exp((signal - _C) / _A) + _B) / 12).astype(np.float32)


def _hlg_light(picture: NDArray[np.uint16]) -> Light:
    """Nits, by the OOTF for a display of 1000."""
    scene = np.take(_hlg_scene(), picture)
    luminance = scene @ _LUMINANCE_BT2020
    return np.asarray(scene * (_SOURCE_PEAK * luminance ** (_HLG_GAMMA - 1))[..., None], dtype=np.float32)


@cache
def _roll_off() -> Light:
    """What to multiply nits by for linear SDR, 0 to 1, by their root times `_ROOT_STEPS`."""
    nits = (np.arange(65536) / _ROOT_STEPS) ** 2
    source = _nits_to_pq(np.array(_SOURCE_PEAK))
    ceiling = float(_nits_to_pq(np.array(_WHITE)) / source)
    knee = 1.5 * ceiling - 0.5
    signal = np.minimum(_nits_to_pq(nits) / source, 1)
    t = (signal - knee) / (1 - knee)
    spline = (2 * t**3 - 3 * t**2 + 1) * knee + (t**3 - 2 * t**2 + t) * (1 - knee) + (3 * t**2 - 2 * t**3) * ceiling
    gains = np.ones_like(nits)
    bright = signal >= knee
    gains[bright] = _pq_to_nits(spline[bright] * source) / nits[bright]
    return (gains / _WHITE).astype(np.float32)


@cache
def _srgb() -> NDArray[np.uint8]:
    """8-bit sRGB (IEC 61966-2-1) by 16-bit linear light."""
    linear = np.arange(65536) / 65535
    encoded = np.where(linear <= 0.0031308, 12.92 * linear, 1.055 * linear ** (1 / 2.4) - 0.055)
    return np.asarray(encoded * 255 + 0.5, dtype=np.uint8)

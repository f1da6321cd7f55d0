"""Draws the three short clips of the evaluation set: python examples/evaluation/make_clips.py [DIRECTORY]."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path

import av
import numpy as np
from av.video.stream import VideoStream
from numpy.typing import NDArray

WIDTH, HEIGHT, RATE, SECONDS = 320, 180, 12, 4
Y, X = np.mgrid[0:HEIGHT, 0:WIDTH].astype(np.float64)
Picture = NDArray[np.float64]


def blend(one: Picture, other: Picture, share: Picture) -> Picture:
    """(height, width, 3): the second picture where share is 1."""
    return one * (1 - share[..., None]) + other * share[..., None]


def sunrise(t: float) -> Picture:
    """The sun comes up over the sea. t: 0 to 1."""
    sky = blend(np.array([255.0, 170, 110]), np.array([70.0, 110, 190]), 1 - Y / 110) * (0.45 + 0.55 * t)
    sun_y = 120 - 70 * t
    glow = np.exp(-((X - 160) ** 2 + (Y - sun_y) ** 2) / 2600)
    disc = ((X - 160) ** 2 + (Y - sun_y) ** 2 < 18**2).astype(np.float64)
    sky = blend(blend(sky, np.array([255.0, 225, 150]), glow * 0.8), np.array([255.0, 248, 220]), disc)
    waves = 0.5 + 0.5 * np.sin(X / 9 + 40 * t + Y / 3) * np.sin(Y * Y / 260 - 24 * t)
    glitter = np.exp(-((X - 160) ** 2) / (300 + 40 * np.maximum(Y - 105, 0))) * waves
    sea = blend(
        np.array([20.0, 50, 90]) * (0.6 + 0.4 * t) + 25 * waves[..., None], np.array([255.0, 210, 150]), glitter
    )
    picture: Picture = np.where((Y < 105)[..., None], sky, sea)
    return picture


def heart(t: float) -> Picture:
    """A red heart beats on pink. t: 0 to 1."""
    scale = 46 * (1 + 0.12 * np.sin(t * 8 * np.pi) ** 2)
    x, y = (X - 160) / scale, (95 - Y) / scale
    inside = ((x**2 + y**2 - 1) ** 3 - x**2 * y**3 < 0).astype(np.float64)
    return blend(
        np.array([255.0, 214, 220]) - 0.1 * Y[..., None], np.array([205.0, 20, 50]) + 0.2 * Y[..., None], inside
    )


def corridor(t: float) -> Picture:
    """A weak torch searches a dark corridor. t: 0 to 1."""
    depth = np.maximum(np.abs(X - 160) / 160, np.abs(Y - 90) / 90)
    walls = 60 + 40 * np.sin(np.log(depth + 0.02) * 14 - 10 * t)
    beam = np.exp(-((X - 160 - 70 * np.sin(9 * t)) ** 2 + (Y - 95 - 18 * np.cos(13 * t)) ** 2) / 1400)
    flicker = 0.75 + 0.25 * np.sin(67 * t) * np.sin(41 * t)
    light = (0.05 + 0.95 * beam * flicker) * (walls / 100) * np.clip(depth * 1.6, 0.05, 1)
    picture: Picture = light[..., None] * np.array([215.0, 225, 190])
    return picture


def write(draw: Callable[[float], Picture], path: Path) -> None:
    """H.264 in MP4, the same on every machine but for the encoder's version."""
    with av.open(str(path), "w") as container:
        options = {"crf": "30", "preset": "veryslow", "threads": "1"}
        stream = container.add_stream("libx264", rate=RATE, options=options)
        assert isinstance(stream, VideoStream)
        stream.width, stream.height, stream.pix_fmt = WIDTH, HEIGHT, "yuv420p"
        count = RATE * SECONDS
        for number in range(count):
            picture = np.clip(draw(number / (count - 1)), 0, 255).astype(np.uint8)
            container.mux(stream.encode(av.VideoFrame.from_ndarray(np.ascontiguousarray(picture), format="rgb24")))
        container.mux(stream.encode(None))


if __name__ == "__main__":
    folder = Path(sys.argv[1]) if len(sys.argv) > 1 else Path(__file__).parent / "clips"
    folder.mkdir(parents=True, exist_ok=True)
    for drawing in (sunrise, heart, corridor):
        write(drawing, folder / f"{drawing.__name__}.mp4")

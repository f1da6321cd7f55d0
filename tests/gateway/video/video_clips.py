"""Small clips whose frames carry their own number, and the slow, certain way of reading them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
from av.video.stream import VideoStream
from numpy.typing import NDArray

Picture = NDArray[np.uint8]
_BITS = 12


@dataclass(frozen=True)
class Recipe:
    """How a clip is encoded. `pts` gives the presentation time of a frame in units of `time_base`."""

    codec: str = "libx264"
    suffix: str = "mp4"
    frames: int = 60
    gop: int = 12
    width: int = 96
    height: int = 64
    pixel_format: str = "yuv420p"
    rate: Fraction = Fraction(25)
    time_base: Fraction | None = None
    pts: Callable[[int], int] = lambda number: number
    options: tuple[tuple[str, str], ...] = ()
    muxer_options: tuple[tuple[str, str], ...] = ()
    prepare: Callable[[VideoStream], None] = field(default=lambda stream: None)


def picture(number: int, width: int, height: int) -> Picture:
    """An RGB picture that shows `number` as stripes above a texture that moves."""
    rows, columns = np.mgrid[0:height, 0:width]
    texture = (rows * 3 + columns * 5 + number * 7) % 200 + 28
    image = np.stack([texture, texture[::-1], 255 - texture], axis=-1).astype(np.uint8)
    stripe = width // _BITS
    for bit in range(_BITS):
        image[: height // 4, bit * stripe : (bit + 1) * stripe] = 235 if number >> bit & 1 else 16
    return image


def number_shown(image: Picture) -> int:
    """The number that the stripes of a decoded picture show, at any size."""
    height, width = image.shape[:2]
    stripe = width / _BITS
    row = image[height // 16 : height // 6].mean(axis=(0, 2))
    return sum(int(row[int((bit + 0.5) * stripe)] > 125) << bit for bit in range(_BITS))


def encode(path: Path, recipe: Recipe, draw: Callable[[int, int, int], Picture] = picture) -> Path:
    """Write the clip, each of its pictures as `draw(number, width, height)`, and return its path."""
    with av.open(str(path), "w", options=dict(recipe.muxer_options)) as container:
        stream = container.add_stream(recipe.codec, rate=recipe.rate, options=_options(recipe))
        assert isinstance(stream, VideoStream)
        stream.width, stream.height = recipe.width, recipe.height
        stream.pix_fmt = recipe.pixel_format
        stream.codec_context.gop_size = recipe.gop
        time_base = recipe.time_base or 1 / recipe.rate
        stream.codec_context.time_base = time_base
        recipe.prepare(stream)
        for number in range(recipe.frames):
            frame = av.VideoFrame.from_ndarray(draw(number, recipe.width, recipe.height), format="rgb24")
            frame.pts, frame.time_base = recipe.pts(number), time_base
            container.mux(stream.encode(frame.reformat(format=recipe.pixel_format)))
        container.mux(stream.encode(None))
    return path


def _options(recipe: Recipe) -> dict[str, str]:
    quiet = {
        "libx264": {"preset": "veryfast", "sc_threshold": "0"},
        "libx265": {"preset": "ultrafast", "x265-params": f"log-level=none:keyint={recipe.gop}:scenecut=0:pools=none"},
        "libvpx-vp9": {"deadline": "realtime", "cpu-used": "8"},
        "libsvtav1": {"preset": "8", "svtav1-params": "lp=1"},
    }
    return quiet.get(recipe.codec, {}) | dict(recipe.options)


def sequentially(path: Path) -> list[av.VideoFrame]:
    """All frames of the first real video stream, as a plain decode from the start gives them."""
    with av.open(str(path)) as container:
        return list(container.decode(container.streams.video[0]))


def prototype(path: Path, count: int) -> Picture:
    """What the prototype's reading loop returns: (frames, height, width, 3)."""
    with av.open(str(path)) as container:
        total = container.streams.video[0].frames
        indices = np.arange(0, total, total / count).astype(int)
        frames = []
        container.seek(0)
        for index, frame in enumerate(container.decode(video=0)):
            if index > indices[-1]:
                break
            if index >= indices[0] and index in indices:
                frames.append(frame)
    return np.stack([frame.to_ndarray(format="rgb24") for frame in frames]).astype(np.uint8)


def middles(stamps: list[int], end: int, count: int) -> list[int]:
    """Indices of the frames on display at the middles of equal spans, each once, by trying every frame."""
    chosen: list[int] = []
    for span in range(count):
        target = stamps[0] + Fraction((end - stamps[0]) * (2 * span + 1), 2 * count)
        index = max(i for i, pts in enumerate(stamps) if pts <= target)
        if index not in chosen:
            chosen.append(index)
    return chosen

"""Pictures made to measure, and the engine and its parts, loaded once."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from captioner_service.clip import Clip, Prompt
from captioner_service.engines.embedded import EmbeddedEngine
from captioner_service.engines.embedded.groups import GroupTable, load_groups

Frames = NDArray[np.uint8]
Texture = Callable[[int, int, int], Frames]
Plain = Callable[..., Frames]
MakeClip = Callable[[Frames, Sequence[float]], Clip]


@pytest.fixture(scope="session")
def texture() -> Texture:
    """Colourful blobs, the same for the same seed: `texture(seed, height, width)`, uint8 (height, width, 3)."""

    def make(seed: int, height: int, width: int) -> Frames:
        noise = np.random.default_rng(seed).integers(0, 256, (height, width, 3), np.uint8)
        blurred = cv2.GaussianBlur(noise, (0, 0), 4).astype(np.float32)
        low, high = blurred.min(), blurred.max()
        return np.asarray(255 * (blurred - low) / (high - low), np.uint8)

    return make


@pytest.fixture(scope="session")
def plain() -> Plain:
    """One colour: `plain((r, g, b), frames=1)`, uint8 (frames, 90, 160, 3)."""

    def make(colour: tuple[int, int, int], frames: int = 1) -> Frames:
        return np.full((frames, 90, 160, 3), colour, np.uint8)

    return make


@pytest.fixture(scope="session")
def make_clip() -> MakeClip:
    def make(frames: Frames, pts_seconds: Sequence[float]) -> Clip:
        return Clip(frames, pts_seconds, Prompt("concise", "1", "Describe the video."))

    return make


@pytest.fixture(scope="session")
def engine() -> Iterator[EmbeddedEngine]:
    opened = EmbeddedEngine()
    yield opened
    opened.close()


@pytest.fixture(scope="session")
def table() -> GroupTable:
    return load_groups()

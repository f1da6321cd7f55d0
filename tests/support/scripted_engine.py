"""A caption engine that says what it was given, and waits or fails when a test tells it to."""

from __future__ import annotations

import threading
from collections.abc import Sequence

import numpy as np

from captioner_service.clip import Caption, Clip
from captioner_service.engines.engine import ModelCard, OnText


class Script:
    """What the engine does, and what it was given. One for the process, because a service opens engines by name."""

    def __init__(self) -> None:
        self.forget()

    def forget(self) -> None:
        """As it was at first."""
        self.clips: list[Clip] = []
        self.fail: Exception | None = None
        self.go = threading.Event()
        self.go.set()
        self.begun = threading.Event()


SCRIPT = Script()
ENGINE = "scripted_engine:ScriptedEngine"
CARD = ModelCard(
    engine="scripted",
    model="scripted-1",
    revision="r1",
    quantisation="none",
    frame_short_side_pixels=32,
    default_frames=4,
    max_frames=8,
    max_new_tokens=64,
    max_batch_clips=2,
    description="Says what it was given.",
)


class ScriptedEngine:
    """Captions such as `2 frames of 16 x 8 at level 100.`, told word by word."""

    card = CARD

    def caption(self, clips: Sequence[Clip], on_text: OnText) -> list[Caption]:
        SCRIPT.clips += clips
        SCRIPT.begun.set()
        if not SCRIPT.go.wait(10):
            raise RuntimeError("nobody let it go")
        if SCRIPT.fail is not None:
            raise SCRIPT.fail
        return [self._caption(position, clip, on_text) for position, clip in enumerate(clips)]

    def close(self) -> None:
        """Nothing to let go of."""

    def _caption(self, position: int, clip: Clip, on_text: OnText) -> Caption:
        count, height, width, _ = clip.frames.shape
        text = f"{count} frames of {width} x {height} at level {round(float(np.mean(clip.frames)))}."
        for word in text.split(" "):
            on_text(position, word if word.endswith(".") else f"{word} ")
        return Caption(text, completion_tokens=len(text.split(" ")))

"""Clips whose prompt is a script for `ScriptedSlots`, and what that engine writes for them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from captioner_service.clip import Clip, GenerationOptions, Prompt
from captioner_service.worker.process import WorkerSpec

HERE = str(Path(__file__).parent)


def scripted_worker(**options: Any) -> WorkerSpec:
    """A worker that runs `ScriptedSlots`."""
    return WorkerSpec("scripted_slots:make", options, {"PYTHONPATH": HERE})


def clip_of(script: str = "words", *, tokens: int = 5, seed: int = 0, **options: Any) -> Clip:
    """Four small frames with a script for a prompt."""
    frames = np.zeros((4, 2, 2, 3), np.uint8)
    frames[0, 0, 0, 0] = 7
    prompt = Prompt("script", "1", script)
    return Clip(frames, [0.0, 0.5, 1.0, 1.5], prompt, GenerationOptions(max_new_tokens=tokens, seed=seed, **options))


def words(clip: Clip) -> str:
    """What the scripted engine writes for a clip."""
    first = int(clip.frames.sum()) + clip.options.seed
    return " ".join(f"w{first + n}" for n in range(clip.options.max_new_tokens))

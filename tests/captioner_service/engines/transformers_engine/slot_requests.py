"""Requests for slot engines, made and run in the test's own process."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch

from captioner_service.clip import Clip, GenerationOptions, Prompt
from captioner_service.worker.generation import Generation
from captioner_service.worker.text_stream import TextStream

QUESTIONS = [
    "What is happening?",
    "Describe the scene in detail and list the objects.",
    "Hi",
    "Is there a red car near the old house in the video?",
]
LENGTHS = [24, 40, 9, 33, 1, 17, 28, 12, 21, 30]
FRAMES = [8, 4, 2, 16, 8, 8, 8, 4, 2, 16]


def noise_clip(frames: int = 8, question: str = "What is happening?", *, seed: int = 0, **options: Any) -> Clip:
    """Random pictures of 96 by 72, two a second."""
    pictures = np.random.default_rng(seed).integers(0, 255, (frames, 72, 96, 3), dtype=np.uint8)
    return Clip(pictures, [n / 2 for n in range(frames)], Prompt("p", "1", question), GenerationOptions(**options))


def mixed_clips(*, frames: Sequence[int] = FRAMES) -> list[Clip]:
    """Ten clips of different lengths, questions and lengths of text."""
    return [noise_clip(frames[n], QUESTIONS[n % 4], seed=n, max_new_tokens=length) for n, length in enumerate(LENGTHS)]


class Heard:
    """What a generation has told."""

    def __init__(self) -> None:
        self.pieces: dict[int, list[str]] = {}

    def __call__(self, generation: Generation, text: str) -> None:
        self.pieces.setdefault(generation.id, []).append(text)

    def text(self, generation: Generation) -> str:
        return "".join(self.pieces.get(generation.id, []))


def generation_of(
    engine: Any, clip: Clip, id: int = 0, *, heard: Any = None, ends_at: float = float("inf")
) -> Generation:
    """A clip ready for `admit`."""
    prepared, prompt_tokens = engine.prepare(clip)
    text = TextStream(engine.decode, clip.options.stop)
    return Generation(id, clip.options, prepared, prompt_tokens, text, float("inf"), heard or Heard())


def run(engine: Any, generations: Sequence[Generation], *, join_every: int = 1) -> None:
    """Until all have ended; every `join_every` steps one joins, if there is a slot."""
    waiting, steps = list(generations), 0
    while waiting or engine.live:
        if waiting and engine.free > 0 and steps % join_every == 0 and engine.admit(waiting[0]):
            waiting.pop(0)
        waiting = [*engine.step(), *waiting]
        steps += 1
        assert steps < 5000


def generated_alone(engine: Any, clip: Clip) -> list[int]:
    """What the library's own `generate` makes of a clip, greedy."""
    prepared, prompt_tokens = engine.prepare(clip)
    with torch.inference_mode():
        out = engine.model.generate(**prepared.tensors, max_new_tokens=clip.options.max_new_tokens, do_sample=False)
    tokens: list[int] = out[0, prompt_tokens:].tolist()
    return tokens

"""One clip on its way through the slots of a model."""

from __future__ import annotations

import enum
import random
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from captioner_service.clip import GenerationOptions
from captioner_service.worker.text_stream import TextStream


class Ending(enum.Enum):
    """Why a generation ended."""

    STOP = "stop"
    LENGTH = "length"
    CANCELLED = "cancelled"
    EXPIRED = "expired"
    OUT_OF_MEMORY = "out_of_memory"
    FAILED = "failed"


@dataclass(eq=False)
class Generation:
    """A clip, its options and what has been made of it so far. Belongs to the thread that owns the model.

    prepared: the clip as its engine wants it. ends_at: monotonic time after which nobody waits for it. on_text: told
    every piece of text. Times are monotonic seconds.
    """

    id: int
    options: GenerationOptions
    prepared: Any
    prompt_tokens: int
    text: TextStream[int]
    ends_at: float
    on_text: Callable[[Generation, str], None]
    tokens: list[int] = field(default_factory=list)
    ending: Ending | None = None
    prefill_seconds: float = 0.0
    cancelled: bool = False
    reused_tokens: int = 0
    """Prompt tokens whose prefill was taken over from an earlier question on the same clip."""

    @property
    def chance(self) -> float:
        """A number from 0 to 1 that depends on the seed and on how many tokens there are, and on nothing else."""
        return random.Random((self.options.seed << 32) + len(self.tokens)).random()  # noqa: S311  # must repeat

    def check_wanted(self) -> None:
        """Ends the generation if nobody waits for it any more."""
        if self.ending is None and self.cancelled:
            self.ending = Ending.CANCELLED
        elif self.ending is None and time.monotonic() >= self.ends_at:
            self.ending = Ending.EXPIRED

    def take(self, token: int, *, is_last: bool) -> None:
        """Adds a token, which `is_last` says ends the text without being part of it; tells what can be told."""
        self.tokens.append(token)
        piece = "" if is_last else self.text.push(token)
        if is_last or self.text.stopped:
            self.ending = Ending.STOP
        elif len(self.tokens) >= self.options.max_new_tokens:
            self.ending = Ending.LENGTH
        if self.ending is not None:
            piece += self.text.end()
            if self.text.stopped:  # held back to the end, a stop may complete only now
                self.ending = Ending.STOP
        if piece:
            self.on_text(self, piece)

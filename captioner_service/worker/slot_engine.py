"""What an engine is that works on many clips at once, clips joining and leaving between its steps."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Protocol

from captioner_service.clip import Clip
from captioner_service.engines.engine import ModelCard
from captioner_service.worker.generation import Generation

OnProgress = Callable[[float, str], None]
"""Called with the part of the loading that is done, 0 to 1, and what is being loaded."""


class Unfit(Exception):
    """A clip with its options is more than the model takes; the message says what to change, `field` where."""

    def __init__(self, message: str, *, field: str) -> None:
        super().__init__(message)
        self.field = field


class DeviceLost(Exception):
    """The device no longer works for this process; only a new process can use it again."""


class SlotEngine(Protocol):
    """A model with slots. One thread owns it and calls everything but `prepare`."""

    def load(self, on_progress: OnProgress) -> ModelCard:
        """Brings the model to where its first clip is described as fast as any. Raises ValueError for a wrong setting.

        `ModelCard.max_batch_clips` is the number of slots.
        """
        ...

    @property
    def device(self) -> str:
        """Which kind of device and arithmetic it runs on; another kind may write other texts."""
        ...

    def canary(self) -> Sequence[int]:
        """The tokens of a fixed clip, greedy: equal at every start of the same model on the same device."""
        ...

    def prepare(self, clip: Clip) -> tuple[Any, int]:
        """The clip as `admit` wants it and the tokens of its prompt. Raises Unfit, before anything costs the device.

        Called from one thread that is not the owner's.
        """
        ...

    def decode(self, tokens: list[int]) -> str:
        """Tokens as text, special ones left out."""
        ...

    @property
    def live(self) -> Sequence[Generation]:
        """What is in the slots, in no order."""
        ...

    @property
    def free(self) -> int:
        """Slots that a clip can join now; goes down where the device turns out to have less room."""
        ...

    def admit(self, generation: Generation) -> bool:
        """Prefills a clip and joins it to the others; it may end at its first token. Raises DeviceLost.

        False: there is no room for it at present, though a slot is free; nothing has changed.
        """
        ...

    def step(self) -> Sequence[Generation]:
        """One more token for everything that is live. Returns what had to give up its slot and must be admitted again.

        What has ended has left its slot when this returns. Raises DeviceLost.
        """
        ...

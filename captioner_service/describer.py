"""What describes clips, whatever is behind it: an engine on a thread, a model in its own process, another machine."""

from __future__ import annotations

import enum
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from typing import Protocol

from captioner_service.clip import Caption, Clip
from captioner_service.engines.engine import ModelCard


class Condition(enum.Enum):
    """How a describer is, once it was loaded."""

    READY = "ready"
    RESTARTING = "restarting"
    """It takes no new work for a while."""
    LOST = "lost"
    """It will not come back by itself; the service must be started anew."""


@dataclass(frozen=True)
class Described:
    """A caption and how it came about. batch_size: clips that were described together with it, itself included."""

    caption: Caption
    queue_seconds: float
    generate_seconds: float
    batch_size: int
    prefill_seconds: float = 0.0
    decode_seconds: float = 0.0
    reused_tokens: int = 0
    """Prompt tokens that did not have to be read again."""


@dataclass(frozen=True)
class Occupancy:
    """How busy a describer is: clips that wait, slots in use, and slots that there are; 0 until it is loaded."""

    waiting: int
    slots_used: int
    slots: int


class Describer(Protocol):
    """Describes clips. Used on one event loop."""

    @property
    def card(self) -> ModelCard:
        """What is served. RuntimeError before `load` has returned."""
        ...

    @property
    def occupancy(self) -> Occupancy:
        """How busy it is now; may be asked on any thread and at any time."""
        ...

    def alive(self) -> AbstractAsyncContextManager[None]:
        """All that works behind it, for the length of the block."""
        ...

    async def load(self) -> ModelCard:
        """Makes it ready. Raises ValueError for a wrong setting, and whatever stops the model from loading."""
        ...

    def check(self, *, within_seconds: float) -> None:
        """Raises what `submit` would raise now for want of room or time; asked before a clip is taken in."""
        ...

    async def submit(
        self, clip: Clip, *, within_seconds: float, on_text: Callable[[str], None] | None = None
    ) -> Described:
        """Describes one clip. Cancelling stops the work.

        within_seconds: time left to the caller; a wait that would outlast it is refused at once. on_text: called on
        the event loop with each piece of text; the pieces join to the caption's text. Raises a Failure.
        """
        ...

    def conditions(self) -> AsyncIterator[Condition]:
        """Every change of condition after `load`."""
        ...

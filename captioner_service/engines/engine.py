"""What every caption engine is: a card that says what it serves, and one method."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol

from captioner_service.clip import Caption, Clip

OnText = Callable[[int, str], None]
"""Called with the position of a clip in the batch and the next piece of its text, in order."""


@dataclass(frozen=True)
class ModelCard:
    """What is served and what it wants to be fed."""

    engine: str
    model: str
    revision: str
    quantisation: str
    frame_short_side_pixels: int
    """Frames are wanted with this short side, aspect kept; larger ones only cost time."""
    default_frames: int
    """Frames that the model describes best."""
    max_frames: int
    """Most frames in one clip."""
    max_new_tokens: int
    max_batch_clips: int
    description: str
    """One paragraph for people: what it can tell and what it cannot."""
    context_tokens: int = 0
    """Most tokens of frames, prompt and text together; 0 for an engine without tokens."""
    tokens_per_frame: float = 0.0


class CaptionEngine(Protocol):
    """Turns batches of clips into text. Blocks; called from one thread only."""

    @property
    def card(self) -> ModelCard: ...

    def caption(self, clips: Sequence[Clip], on_text: OnText) -> list[Caption]:
        """One caption per clip, in the same order. The pieces given to `on_text` join to the caption's text.

        A raised exception fails the whole batch; the batcher then asks again, clip by clip.
        """
        ...

    def close(self) -> None:
        """Lets go of the model. Called once, from the same thread, after the last caption."""
        ...

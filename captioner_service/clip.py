"""What a caption engine is given and what it gives back: plain values that know no wire and no service."""

from __future__ import annotations

import enum
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True)
class Prompt:
    """The words put to the model. `version` is empty for text that a caller brought along."""

    name: str
    version: str
    text: str


@dataclass(frozen=True)
class GenerationOptions:
    """How text is generated. `temperature` 0 is greedy; the same seed gives the same text."""

    max_new_tokens: int = 256
    temperature: float = 0.0
    top_p: float = 1.0
    seed: int = 0
    stop: Sequence[str] = ()


@dataclass(frozen=True)
class Clip:
    """Frames that are described together.

    frames: uint8, (frames, height, width, 3), RGB.
    pts_seconds: presentation time of each frame from the start of the video, in seconds, ascending.
    """

    frames: NDArray[np.uint8]
    pts_seconds: Sequence[float]
    prompt: Prompt
    options: GenerationOptions = field(default_factory=GenerationOptions)

    @property
    def frame_count(self) -> int:
        return len(self.frames)


class FinishReason(enum.Enum):
    """Why the text ended."""

    STOP = "stop"
    LENGTH = "length"


class StatementKind(enum.Enum):
    """What a sentence of a summary speaks of; only content says what a video is about."""

    CONTENT = "content"
    SETTING = "setting"
    LOOK = "look"
    MOTION = "motion"
    UNKNOWN = "unknown"


@dataclass(frozen=True)
class Statement:
    """One span of the summary, text[start:end] in characters, with how sure its maker is of it (0 to 1)."""

    start: int
    end: int
    kind: StatementKind
    certainty: float


@dataclass(frozen=True)
class Caption:
    """A summary of one clip. Engines that know more than the text say it in `statements`."""

    text: str
    finish_reason: FinishReason = FinishReason.STOP
    prompt_tokens: int = 0
    completion_tokens: int = 0
    statements: Sequence[Statement] = ()

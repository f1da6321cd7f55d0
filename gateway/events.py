"""What happens to a video on its way through the gateway, as plain values."""

from __future__ import annotations

import enum
from dataclasses import dataclass

from gateway.order import Description, Tags
from gateway.video.sampled import SampledClip


class Stage(enum.Enum):
    """What a gateway does with a video; the value is (percent of the whole when it begins, when it ends)."""

    RECEIVING = (0, 20)
    SAMPLING = (20, 45)
    CAPTIONING = (45, 85)
    CLASSIFYING = (85, 99)


def percent_of(stage: Stage, share: float) -> int:
    """How much of the whole work is done when `share` (0 to 1) of a stage is."""
    begins, ends = stage.value
    return int(begins + (ends - begins) * min(max(share, 0.0), 1.0))


@dataclass(frozen=True)
class Progressed:
    """How far the work is. total: 0 where it is not known."""

    stage: Stage
    done: int
    total: int
    percent: int


@dataclass(frozen=True)
class TextPiece:
    """A piece of the summary, as the captioner sent it."""

    message: object


@dataclass(frozen=True)
class Summarised:
    """The finished summary, before it is tagged."""

    description: Description


@dataclass(frozen=True)
class Timings:
    """Wall-clock seconds of each stage. receiving: None where nothing was uploaded."""

    receiving: float | None
    sampling: float
    captioning: float
    classifying: float
    total: float


@dataclass(frozen=True)
class Tagged:
    """The end of the work: everything that was found, and how."""

    request_id: str
    description: Description
    tags: Tags
    clip: SampledClip
    timings: Timings


Event = Progressed | TextPiece | Summarised | Tagged

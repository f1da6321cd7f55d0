"""What a caller wants of a video, in the gateway's own words."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from gateway.video.plan import Encoding


@dataclass(frozen=True)
class Order:
    """frames 0: what the captioner describes best. Times in seconds from the first presented frame; None is open.

    caption, classify: what is meant for the captioner and the classifier, passed on unread.
    """

    request_id: str
    sampler: str
    frames: int
    start_seconds: float | None
    end_seconds: float | None
    text_deltas: bool
    caption: object
    classify: object


@dataclass(frozen=True)
class ModelFacts:
    """What the captioner said of itself: how frames are wanted."""

    model: str
    encodings: Sequence[Encoding]
    frame_short_side_pixels: int
    default_frames: int
    max_frames: int


@dataclass(frozen=True)
class Description:
    """A summary as the captioner sent it, passed on unread. attempts: how often it was asked for."""

    message: object
    attempts: int = 1


@dataclass(frozen=True)
class Tags:
    """A classification as the classifier sent it, passed on unread. attempts: how often it was asked for."""

    message: object
    attempts: int = 1

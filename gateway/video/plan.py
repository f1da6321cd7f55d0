"""What a caller wants sampled from one video: which frames, how many, at what size, in what form."""

from __future__ import annotations

import enum
import math
from dataclasses import dataclass

from vidtomusictags.rpc import failures

MAX_FRAMES = 256
MAX_SHORT_SIDE_PIXELS = 8192


class Encoding(enum.Enum):
    """The form in which frames leave the worker."""

    JPEG = "jpeg"
    RGB24 = "rgb24"
    PNG = "png"


@dataclass(frozen=True)
class SamplingPlan:
    """One job for a decoding worker.

    sampler: a name in `samplers.SAMPLERS`.
    frames: how many frames to aim for, 1 to 256; a shorter clip gives each of its frames once.
    start_seconds, end_seconds: the time range to sample, counted from the first presented frame; None is open.
    short_side_pixels: the shorter side of the frames that come back; None keeps the native display size.
    encoding: the form of the frames; RGB24 is lossless and uncompressed.
    jpeg_quality: 1 to 100; read for JPEG alone.
    """

    sampler: str = "uniform"
    frames: int = 8
    start_seconds: float | None = None
    end_seconds: float | None = None
    short_side_pixels: int | None = None
    encoding: Encoding = Encoding.JPEG
    jpeg_quality: int = 90

    def check(self) -> None:
        """Raise InvalidRequest, naming the field, where a value is outside its range."""
        if not 1 <= self.frames <= MAX_FRAMES:
            raise failures.InvalidRequest(f"Ask for 1 to {MAX_FRAMES} frames, not {self.frames}.", field="frames")
        for field, value in (("start_seconds", self.start_seconds), ("end_seconds", self.end_seconds)):
            if value is not None and not (math.isfinite(value) and value >= 0):
                raise failures.InvalidRequest(
                    f"The time range needs times of 0 or more seconds, not {value}.", field=field
                )
        if self.end_seconds is not None and self.end_seconds <= (self.start_seconds or 0.0):
            raise failures.InvalidRequest("The time range must end after it starts.", field="end_seconds")
        if self.short_side_pixels is not None and not 1 <= self.short_side_pixels <= MAX_SHORT_SIDE_PIXELS:
            raise failures.InvalidRequest(
                f"The short side must be 1 to {MAX_SHORT_SIDE_PIXELS} pixels, not {self.short_side_pixels}.",
                field="short_side_pixels",
            )
        if not 1 <= self.jpeg_quality <= 100:
            raise failures.InvalidRequest(
                f"The JPEG quality must be 1 to 100, not {self.jpeg_quality}.", field="jpeg_quality"
            )

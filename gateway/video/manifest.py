"""The account of one sampling: what the video is, which frames were taken and why, and what was not perfect."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any


@dataclass(frozen=True)
class SampledFrame:
    """One frame that was taken.

    index: its place in display order, from 0, as a decode from the start counts.
    pts: its presentation timestamp in the stream's time base; pts_seconds: the same in seconds.
    time_seconds: its time from the first presented frame; target_seconds: where the sampler aimed, from the same zero.
    reason: why the sampler took it, in words.
    """

    index: int
    pts: int
    pts_seconds: float
    time_seconds: float
    target_seconds: float
    reason: str


@dataclass(frozen=True)
class VideoFacts:
    """What the container and the decoder say about the video stream that was sampled.

    width, height: pixels as coded; display_width, display_height: after sample aspect ratio and rotation.
    rotation_degrees: clockwise turn that was applied, 0, 90, 180 or 270; mirrored: flipped left to right before it.
    sample_aspect_ratio, time_base, frame_rate: exact ratios such as "128:117", "1/12800" and "30000/1001";
    frame_rate is empty where the container does not say.
    frame_count: presented frames, None where the stream was not counted.
    duration_seconds: from the first presented frame to the end of the last; duration_estimated: the length of the
    last frame had to be guessed, or the stream has no usable timestamps.
    """

    container: str
    codec: str
    width: int
    height: int
    display_width: int
    display_height: int
    rotation_degrees: int
    mirrored: bool
    sample_aspect_ratio: str
    pixel_format: str
    time_base: str
    frame_rate: str
    frame_count: int | None
    duration_seconds: float
    duration_estimated: bool
    start_seconds: float
    size_bytes: int


@dataclass(frozen=True)
class Coverage:
    """How much of the sampled time range the frames stand for.

    first_seconds, last_seconds: times of the first and last frame, from the first presented frame.
    longest_gap_seconds: the longest stretch without a sampled frame, the two ends of the range included.
    covered_share: 0 to 1, the part of the range that lies within half a span (range / requested frames / 2) of the
    time during which some sampled frame is on display; 1.0 for `uniform` on an undamaged clip.
    """

    first_seconds: float
    last_seconds: float
    longest_gap_seconds: float
    covered_share: float


@dataclass(frozen=True)
class DecodingEffort:
    """What the sampling cost.

    table: how the frames were located: "index" (the container's), "packets" (one pass without decoding) or
    "decoding" (one pass with it). The other numbers count seeks, packets sent to the decoder, packets of reference-free
    frames that were left out, and frames that the decoder gave.
    """

    table: str
    seeks: int
    packets_decoded: int
    packets_skipped: int
    frames_decoded: int


@dataclass(frozen=True)
class Warning:
    """Something about this sampling that the caller should know; `code` is stable, `message` one sentence."""

    code: str
    message: str


@dataclass(frozen=True)
class Manifest:
    """All that is known about one sampling; plain values only."""

    sampler: str
    requested_frames: int
    video: VideoFacts
    frames: tuple[SampledFrame, ...]
    coverage: Coverage
    effort: DecodingEffort
    warnings: tuple[Warning, ...]

    def to_dict(self) -> dict[str, Any]:
        """The manifest as JSON's own types."""
        return asdict(self) | {
            "frames": [asdict(frame) for frame in self.frames],
            "warnings": [asdict(warning) for warning in self.warnings],
        }

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> Manifest:
        """The inverse of `to_dict`."""
        return cls(
            sampler=values["sampler"],
            requested_frames=values["requested_frames"],
            video=VideoFacts(**values["video"]),
            frames=tuple(SampledFrame(**frame) for frame in values["frames"]),
            coverage=Coverage(**values["coverage"]),
            effort=DecodingEffort(**values["effort"]),
            warnings=tuple(Warning(**warning) for warning in values["warnings"]),
        )

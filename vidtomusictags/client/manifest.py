"""The frame manifest as its caller sees it: which frames were looked at, and what was not."""

from __future__ import annotations

from dataclasses import dataclass

from vidtomusictags.client.plain import share
from vidtomusictags.gateway.v1 import gateway_pb2 as pb
from vidtomusictags.rpc.durations import to_seconds


@dataclass(frozen=True)
class Frame:
    """One frame that was looked at.

    index: its place in display order, from 0. pts: its presentation time in units of `VideoFacts.time_base`;
    pts_seconds: the same in seconds. time_seconds: from the first presented frame; target_seconds: what the sampler
    aimed at, from the same zero. reason: why this one, in words.
    """

    index: int
    pts: int
    pts_seconds: float
    time_seconds: float
    target_seconds: float
    reason: str


@dataclass(frozen=True)
class VideoFacts:
    """What the file is. Sizes are in pixels; ratios are exact, such as "30000/1001"; frame_count 0: not known.

    display: as it is meant to be seen, aspect ratio and rotation applied; sampled: as the captioner got it.
    """

    container: str
    codec: str
    width: int
    height: int
    display_width: int
    display_height: int
    sampled_width: int
    sampled_height: int
    rotation_degrees: int
    sample_aspect_ratio: str
    time_base: str
    frame_rate: str
    frame_count: int
    duration_seconds: float
    duration_estimated: bool
    size_bytes: int


@dataclass(frozen=True)
class Coverage:
    """How well the frames stand for the stretch that was sampled; covered_share is 0 to 1."""

    first_seconds: float
    last_seconds: float
    longest_gap_seconds: float
    covered_share: float


@dataclass(frozen=True)
class ManifestWarning:
    """Something that the user of the frames should know; `code` is stable, `message` is for people."""

    code: str
    message: str


@dataclass(frozen=True)
class Manifest:
    """All that is known of one sampling."""

    sampler: str
    requested_frames: int
    video: VideoFacts
    frames: tuple[Frame, ...]
    coverage: Coverage
    warnings: tuple[ManifestWarning, ...]


def to_manifest(message: pb.FrameManifest) -> Manifest:
    """The manifest in a message."""
    coverage = message.coverage
    return Manifest(
        sampler=message.sampler,
        requested_frames=message.requested_frames,
        video=_video(message.video),
        frames=tuple(
            Frame(
                index=frame.index,
                pts=frame.pts_ticks,
                pts_seconds=to_seconds(frame.pts),
                time_seconds=to_seconds(frame.time),
                target_seconds=to_seconds(frame.target_time),
                reason=frame.reason,
            )
            for frame in message.frames
        ),
        coverage=Coverage(
            first_seconds=to_seconds(coverage.first_time),
            last_seconds=to_seconds(coverage.last_time),
            longest_gap_seconds=to_seconds(coverage.longest_gap),
            covered_share=share(coverage.covered_share),
        ),
        warnings=tuple(ManifestWarning(w.code, w.message) for w in message.warnings),
    )


def _video(message: pb.VideoFacts) -> VideoFacts:
    return VideoFacts(
        container=message.container,
        codec=message.codec,
        width=message.coded_size.width,
        height=message.coded_size.height,
        display_width=message.display_size.width,
        display_height=message.display_size.height,
        sampled_width=message.sampled_size.width,
        sampled_height=message.sampled_size.height,
        rotation_degrees=message.rotation_degrees,
        sample_aspect_ratio=message.sample_aspect_ratio,
        time_base=message.time_base,
        frame_rate=message.frame_rate,
        frame_count=message.frame_count,
        duration_seconds=to_seconds(message.duration),
        duration_estimated=message.duration_estimated,
        size_bytes=message.size_bytes,
    )

"""Collecting frames as they are decoded: each becomes a finished picture at once, all of one size."""

from __future__ import annotations

import threading
from collections.abc import Callable
from fractions import Fraction
from typing import Protocol

from av import VideoFrame

from gateway.video.container import refuse_pixels
from gateway.video.findings import Findings
from gateway.video.limits import SandboxLimits
from gateway.video.opening import OpenVideo
from gateway.video.pictures import Geometry, Orientation, Painter, encoded, is_hdr, orientation_of, output_size
from gateway.video.plan import SamplingPlan
from vidtomusictags.rpc import failures

Progress = Callable[[int, int], None]


class Sink(Protocol):
    """Where finished pictures go; each is kept under its frame's index, a second one replaces the first."""

    def clear(self) -> None:
        """Forget all pictures."""

    def put(self, index: int, data: bytes | memoryview) -> None:
        """Take one picture; raises VideoTooLarge when there is no room for it."""


class PictureCollector:
    """Makes a picture of each frame as it arrives, all at the size of the first, and lets the frame go."""

    def __init__(
        self, plan: SamplingPlan, limits: SandboxLimits, sink: Sink, progress: Progress, *, tone_maps: bool
    ) -> None:
        """tone_maps: HDR becomes SDR; otherwise its code values are left as they are, which looks flat or dark."""
        self._plan, self._limits, self._tone_maps = plan, limits, tone_maps
        self._sink, self._progress = sink, progress
        self._total = plan.frames
        self._painters = threading.local()
        self._lock = threading.Lock()
        self._orientations: dict[int, Orientation | None] = {}
        self.geometry: Geometry | None = None
        self.pixel_format = ""
        self.size = (0, 0)
        self.indices: set[int] = set()
        self.findings = Findings()

    def begin(self, total: int) -> None:
        """Forget earlier pictures and expect so many."""
        self._sink.clear()
        self._total = total

    def deliver(self, index: int, frame: VideoFrame, video: OpenVideo) -> None:
        """Take one decoded frame; from any thread."""
        with self._lock:
            geometry = self._geometry_of(frame, video)
            if self.geometry is None:
                self._settle_on(geometry, frame)
            elif geometry != self.geometry:
                self.findings.add("mixed_sizes", "The picture changes size within the video; all frames got one size.")
            self.findings.look_at_frame(frame, tone_mapped=self._tone_maps)
        if not hasattr(self._painters, "mine"):
            self._painters.mine = Painter()
        painter: Painter = self._painters.mine
        paint = painter.paint_hdr if self._tone_maps and is_hdr(frame) else painter.paint
        picture = paint(frame, geometry.orientation, self.size)
        data = encoded(picture, self._plan.encoding, self._plan.jpeg_quality)
        with self._lock:
            self._sink.put(index, data)
            self.indices.add(index)
            self._progress(len(self.indices), self._total)

    def _settle_on(self, geometry: Geometry, frame: VideoFrame) -> None:
        refuse_pixels(frame.width, frame.height, self._limits)
        self.geometry = geometry
        self.pixel_format = frame.format.name
        self.size = output_size(geometry.display_size, self._plan.short_side_pixels)
        if 3 * self.size[0] * self.size[1] * self._total > self._limits.max_output_bytes:
            raise failures.VideoTooLarge(
                f"{self._total} frames of {self.size[0]}x{self.size[1]} pixels are more than one call may return; "
                "ask for fewer or smaller frames."
            )

    def _geometry_of(self, frame: VideoFrame, video: OpenVideo) -> Geometry:
        if frame.rotation not in self._orientations:
            self._orientations[frame.rotation] = orientation_of(frame)
        orientation = self._orientations[frame.rotation]
        if orientation is None:
            self.findings.add("rotation_ignored", "The video asks for a turn that is no quarter turn; it was left out.")
            orientation = Orientation()
        ratio = video.pixel_aspect
        if not Fraction(1, 16) <= ratio <= 16:
            self.findings.add("aspect_ignored", "The video states an impossible pixel shape; square pixels were used.")
            ratio = Fraction(1)
        return Geometry(frame.width, frame.height, ratio, orientation)

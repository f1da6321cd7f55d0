"""Gathering what is known of a video into the manifest's facts."""

from __future__ import annotations

from gateway.video.frame_table import FrameTable
from gateway.video.manifest import VideoFacts
from gateway.video.opening import OpenVideo
from gateway.video.pictures import Geometry


def describe(video: OpenVideo, table: FrameTable, geometry: Geometry, pixel_format: str) -> VideoFacts:
    """The facts of a video of which at least one frame was decoded."""
    display_width, display_height = geometry.display_size
    ratio, rate, base = geometry.sample_aspect_ratio, video.frame_rate, video.time_base
    return VideoFacts(
        container=video.container.format.name,
        codec=video.codec,
        width=geometry.width,
        height=geometry.height,
        display_width=display_width,
        display_height=display_height,
        rotation_degrees=geometry.orientation.rotation_degrees,
        mirrored=geometry.orientation.mirrored,
        sample_aspect_ratio=f"{ratio.numerator}:{ratio.denominator}",
        pixel_format=pixel_format,
        time_base=f"{base.numerator}/{base.denominator}",
        frame_rate=f"{rate.numerator}/{rate.denominator}" if rate else "",
        frame_count=len(table.pts),
        duration_seconds=float((table.end - table.start) * base),
        duration_estimated=table.end_estimated or table.timestamps_estimated,
        start_seconds=float(table.start * base),
        size_bytes=max(0, video.container.size),
    )

"""Opening an untrusted container: only known formats, only the given bytes, no decoding, the right stream."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import av
from av.container import InputContainer
from av.stream import Disposition
from av.video.stream import VideoStream

from gateway.video.arriving_file import ArrivingSource
from gateway.video.limits import SandboxLimits
from gateway.video.whole_file import WholeSource
from vidtomusictags.rpc import failures

# What either opens has no name: some demuxers are chosen by a file's extension.
Source = ArrivingSource | WholeSource

# Formats that hold video and refer to nothing outside their own bytes, and some of plain sound, so that a sound file
# is called one. Playlists (hls, concat, dash, sdp), image sequences and text formats are absent on purpose.
FORMATS = (
    "mov,mp4,m4a,3gp,3g2,mj2,matroska,webm,mpegts,mpeg,mpegvideo,avi,flv,asf,ogg,gif,apng,h264,hevc,m4v,av1,ivf,obu,mxf,"
    "aac,flac,mp3,wav"
)

# FFmpeg decodes several frames while it opens a file, only to fill in fields that are not needed here. A codec
# whitelist that matches nothing stops that: opening 1080p H.264 falls from 52 to 2 ms, and no decoder meets the bytes
# before the checks below have passed. The real decoder is opened later, without it.
_NO_PROBE_DECODING = {"codec_whitelist": "none"}

_NOT_THE_PICTURE = Disposition.attached_pic | Disposition.timed_thumbnails | Disposition.still_image
# What cover art is kept as where the container cannot mark it as such.
_STILL_CODECS = frozenset({"mjpeg", "png", "bmp", "webp"})


def open_container(source: Source, limits: SandboxLimits) -> InputContainer:
    """The container, opened without decoding. Raises VideoUnreadable, or MemoryError for want of memory."""
    options = {
        "format_whitelist": FORMATS,
        "protocol_whitelist": "file",
        "max_pixels": str(limits.max_pixels),
        "max_streams": str(limits.max_streams),
    }
    # One entry per stream is demanded, and PyAV takes more than there are.
    no_probe: Any = [_NO_PROBE_DECODING] * (limits.max_streams + 1)
    try:
        with shortage_named():
            return _open_without_probing(source, options, no_probe)
    except (av.FFmpegError, OSError) as error:
        raise failures.VideoUnreadable(
            "The file is not a video that can be read; send an intact file in a common format such as MP4, MOV, "
            "MKV or WebM."
        ) from error


def _open_without_probing(source: Source, options: dict[str, str], no_probe: Any) -> InputContainer:
    try:
        return av.open(source.open(), "r", options=options, stream_options=no_probe, metadata_errors="replace")
    except ValueError as error:
        if isinstance(error, av.FFmpegError):
            raise
        # FLV and MPEG-PS name their streams only while probing, and PyAV then refuses options for streams.
        return av.open(source.open(), "r", options=options, metadata_errors="replace")


@contextmanager
def shortage_named() -> Iterator[None]:
    """Within the block, want of memory or threads is a plain MemoryError and no longer one of FFmpeg's own errors."""
    try:
        yield
    except (av.error.MemoryError, av.error.BlockingIOError) as error:
        raise MemoryError(str(error)) from None


def moving_pictures(container: InputContainer) -> list[VideoStream]:
    """The video streams that are neither cover art nor thumbnails nor, beside others, a single frame or stills."""
    candidates = [stream for stream in container.streams.video if not stream.disposition & _NOT_THE_PICTURE]
    if not candidates:
        raise failures.VideoHasNoPicture("The file has no video stream; send one with a moving picture.")
    # PyAV gives a stream no codec context where FFmpeg has no decoder for it, whatever its types say.
    contexts: list[Any] = [stream.codec_context for stream in candidates]
    candidates = [stream for stream, context in zip(candidates, contexts, strict=True) if context is not None]
    if not candidates:
        raise failures.VideoUnreadable("The video's codec is not known; send it in a common one such as H.264 or VP9.")
    candidates = [stream for stream in candidates if stream.frames != 1] or candidates
    return [stream for stream in candidates if stream.codec_context.name not in _STILL_CODECS] or candidates


def refuse_the_oversized(container: InputContainer, stream: VideoStream, limits: SandboxLimits) -> None:
    """Raise VideoTooLarge where the container says that the video is over a limit."""
    if len(container.streams) > limits.max_streams:
        raise failures.VideoTooLarge(f"The file has more than {limits.max_streams} streams; send fewer.")
    if stream.frames > limits.max_frames:
        raise failures.VideoTooLarge(f"The video claims more than {limits.max_frames} frames; send a shorter clip.")
    refuse_pixels(stream.codec_context.width, stream.codec_context.height, limits)
    seconds = 0.0
    if stream.duration is not None and stream.time_base is not None:
        seconds = float(stream.duration * stream.time_base)
    elif container.duration is not None:
        seconds = container.duration / 1_000_000
    if seconds > limits.max_duration_seconds:
        raise failures.VideoTooLarge(
            f"The video is longer than {limits.max_duration_seconds:g} seconds; send a shorter clip."
        )


def refuse_pixels(width: int, height: int, limits: SandboxLimits) -> None:
    """Raise VideoTooLarge where a coded frame has more pixels than the limit."""
    if width * height > limits.max_pixels:
        raise failures.VideoTooLarge(
            f"The video's frames have {width}x{height} pixels, more than the {limits.max_pixels} that are allowed; "
            "send it at a lower resolution."
        )

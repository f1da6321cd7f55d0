"""Opening an untrusted container: only known formats, only the given bytes, no decoding, the right stream."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from fractions import Fraction
from pathlib import Path
from typing import Any, BinaryIO, Self

import av
from av import VideoFrame
from av.container import InputContainer
from av.packet import Packet
from av.stream import Discard, Disposition
from av.video.stream import VideoStream

from gateway.video.limits import SandboxLimits
from vidtomusictags.rpc import failures

# A path without a file-name extension, or a seekable file object without a name: some demuxers are chosen by extension.
Source = str | BinaryIO

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


class OpenVideo:
    """An open container and its video stream, ready to demux and decode.

    Not thread-safe; threads that work on one video open it once each.
    """

    def __init__(self, source: Source, limits: SandboxLimits) -> None:
        """Raises VideoUnreadable, VideoHasNoPicture or VideoTooLarge."""
        self._source = source
        self._limits = limits
        self._decoder_threads = 1
        self.damaged_packets = 0
        self._open()

    def _open(self) -> None:
        self.container = _open_container(self._source, self._limits)
        try:
            candidates = _moving_pictures(self.container)
            self.candidate_streams = len(candidates)
            self.stream = next((s for s in candidates if s.disposition & Disposition.default), candidates[0])
            _refuse_the_oversized(self.container, self.stream, self._limits)
        except BaseException:
            self.container.close()
            raise
        for other in self.container.streams:
            if other.index != self.stream.index:
                other.discard = Discard.all  # the mp4 demuxer then does not even read them
        self.decoder = self.stream.codec_context
        self.use_decoder_threads(self._decoder_threads)
        self.decoder.options = {"max_pixels": str(self._limits.max_pixels)}
        self.at_start = True
        self._peeked: Packet[VideoStream] | None = None

    @property
    def codec(self) -> str:
        """FFmpeg's name of the codec, whichever library decodes it."""
        return {"libdav1d": "av1", "libaom-av1": "av1", "libvpx-vp9": "vp9"}.get(self.decoder.name, self.decoder.name)

    @property
    def format(self) -> str:
        """FFmpeg's first name of the container format."""
        return self.container.format.name.split(",")[0]

    @property
    def time_base(self) -> Fraction:
        """Seconds per unit of pts."""
        return self.stream.time_base or Fraction(1, 1_000_000)

    @property
    def frame_rate(self) -> Fraction | None:
        """Frames per second as the container states or implies them."""
        return self.stream.average_rate or self.stream.base_rate or None

    @property
    def can_be_shared(self) -> bool:
        """Whether the source can be open several times at once; a file object has but one position."""
        return isinstance(self._source, str)

    @property
    def pixel_aspect(self) -> Fraction:
        """Width of a pixel over its height; the container's word counts before the bitstream's, as in players."""
        return self.stream.sample_aspect_ratio or self.decoder.sample_aspect_ratio or Fraction(1)

    def use_decoder_threads(self, threads: int) -> None:
        """Let the decoder work on several frames at once; without effect once it has begun."""
        self._decoder_threads = threads
        if not self.decoder.is_open:
            self.decoder.thread_type = "FRAME" if threads > 1 else "SLICE"
            # One more than cores, as FFmpeg's own default has it: some thread always waits for another's picture.
            self.decoder.thread_count = threads + 1 if threads > 1 else 1

    def another(self) -> OpenVideo:
        """The same video opened once more, for another thread."""
        return OpenVideo(self._source, self._limits)

    def peek(self) -> Packet[VideoStream] | None:
        """The next packet with data, which the following `packets` will give again."""
        if self._peeked is None:
            self._peeked = next((packet for packet in self._demux() if packet.size), None)
        return self._peeked

    def packets(self) -> Iterator[Packet[VideoStream]]:
        """Packets of the stream from the current position to the end; errors of the container end it like the end."""
        peeked, self._peeked = self._peeked, None
        self.at_start = False
        if peeked is not None:
            yield peeked
        yield from (packet for packet in self._demux() if packet.size)

    def _demux(self) -> Iterator[Packet[VideoStream]]:
        try:
            with _shortage_named():
                yield from self.container.demux(self.stream)
        except (av.FFmpegError, OSError):
            return  # a file that breaks off: what was read so far is what there is

    def decode(self, packet: Packet[VideoStream] | None) -> list[VideoFrame]:
        """The frames that the decoder gives after this packet; None drains it.

        Raises av.FFmpegError for damage, and MemoryError where it was no fault of the packet.
        """
        with _shortage_named():
            return self.decoder.decode(packet)

    def all_frames(self) -> Iterator[VideoFrame]:
        """Every frame from the current position on, as a plain sequential decode gives them, past damaged packets."""
        for packet in self.packets():
            try:
                yield from self.decode(packet)
            except av.FFmpegError:
                self.damaged_packets += 1
        try:
            yield from self.decode(None)
        except av.FFmpegError:
            self.damaged_packets += 1

    def flush(self) -> None:
        """Make a drained decoder ready for packets from another place."""
        self.decoder.flush_buffers()

    def seek(self, pts: int) -> bool:
        """Go to a keyframe at or before pts; False where the container cannot."""
        self._peeked = None
        self.at_start = False
        try:
            self.container.seek(pts, stream=self.stream, backward=True)
        except (av.FFmpegError, OSError, OverflowError):
            return False
        return True

    def rewind(self) -> None:
        """Start over. Opens the file anew: seeking to the start loses frames in streams whose clock wraps."""
        if not self.at_start:
            self.container.close()
            self._open()

    def close(self) -> None:
        self.container.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exception: object) -> None:
        self.close()


def _open_container(source: Source, limits: SandboxLimits) -> InputContainer:
    options = {
        "format_whitelist": FORMATS,
        "protocol_whitelist": "file",
        "max_pixels": str(limits.max_pixels),
        "max_streams": str(limits.max_streams),
    }
    # One entry per stream is demanded, and PyAV takes more than there are.
    no_probe: Any = [_NO_PROBE_DECODING] * (limits.max_streams + 1)
    try:
        with _shortage_named():
            return _open_without_probing(source, options, no_probe)
    except (av.FFmpegError, OSError) as error:
        raise failures.VideoUnreadable(
            "The file is not a video that can be read; send an intact file in a common format such as MP4, MOV, "
            "MKV or WebM."
        ) from error


def _open_without_probing(source: Source, options: dict[str, str], no_probe: Any) -> InputContainer:
    try:
        return av.open(
            _from_the_start(source), "r", options=options, stream_options=no_probe, metadata_errors="replace"
        )
    except ValueError as error:
        if isinstance(error, av.FFmpegError):
            raise
        # FLV and MPEG-PS name their streams only while probing, and PyAV then refuses options for streams.
        return av.open(_from_the_start(source), "r", options=options, metadata_errors="replace")


@contextmanager
def _shortage_named() -> Iterator[None]:
    """Within the block, want of memory or threads is a plain MemoryError and no longer one of FFmpeg's own errors."""
    try:
        yield
    except (av.error.MemoryError, av.error.BlockingIOError) as error:
        raise MemoryError(str(error)) from None


def _from_the_start(source: Source) -> Source:
    if not isinstance(source, str | Path):
        source.seek(0)
    return source


def _moving_pictures(container: InputContainer) -> list[VideoStream]:
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


def _refuse_the_oversized(container: InputContainer, stream: VideoStream, limits: SandboxLimits) -> None:
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

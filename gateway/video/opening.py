"""A video that is open: its packets, its decoder, its position."""

from __future__ import annotations

from collections.abc import Iterator
from fractions import Fraction
from typing import Self

import av
from av import VideoFrame
from av.packet import Packet
from av.stream import Discard, Disposition
from av.video.stream import VideoStream

from gateway.video.container import Source, moving_pictures, open_container, refuse_the_oversized, shortage_named
from gateway.video.limits import SandboxLimits

_MOST_DECODER_THREADS = 16  # FFmpeg's own bound


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
        self.container = open_container(self._source, self._limits)
        try:
            candidates = moving_pictures(self.container)
            self.candidate_streams = len(candidates)
            self.stream = next((s for s in candidates if s.disposition & Disposition.default), candidates[0])
            refuse_the_oversized(self.container, self.stream, self._limits)
        except BaseException:
            self.container.close()
            raise
        for other in self.container.streams:
            if other.index != self.stream.index:
                other.discard = Discard.all  # the mp4 demuxer then does not even read them
        self.decoder = self.stream.codec_context
        self.use_decoder_threads(self._decoder_threads)
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
    def arrives_in_order(self) -> bool:
        """Whether the file is still being filled from its start, so that its end is the last to come."""
        return self._source.in_order

    @property
    def pixel_aspect(self) -> Fraction:
        """Width of a pixel over its height; the container's word counts before the bitstream's, as in players."""
        return self.stream.sample_aspect_ratio or self.decoder.sample_aspect_ratio or Fraction(1)

    def use_decoder_threads(self, threads: int) -> None:
        """Let the decoder work on several frames at once; without effect once it has begun."""
        self._decoder_threads = threads
        if self.decoder.is_open:
            return
        self.decoder.thread_type = "FRAME" if threads > 1 else "SLICE"
        # More than cores, for each waits for rows of the picture before: with 3, 4 and 6 threads on two cores, 10 s of
        # 1080p in one GOP take 720, 660 and 630 ms (H.264), 1900, 1660 and 1600 ms (VP9), and 545, 464 and 480 (AV1).
        self.decoder.thread_count = min(2 * threads, _MOST_DECODER_THREADS) if threads > 1 else 1
        self.decoder.options = {"max_pixels": str(self._limits.max_pixels)}
        if self.decoder.name == "libdav1d":
            # Its own choice of frames under way, the square root of its threads, leaves cores idle.
            self.decoder.options |= {"max_frame_delay": str(self.decoder.thread_count)}

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
            with shortage_named():
                yield from self.container.demux(self.stream)
        except (av.FFmpegError, OSError):
            return  # a file that breaks off: what was read so far is what there is

    def decode(self, packet: Packet[VideoStream] | None) -> list[VideoFrame]:
        """The frames that the decoder gives after this packet; None drains it.

        Raises av.FFmpegError for damage, and MemoryError where it was no fault of the packet.
        """
        with shortage_named():
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

"""Clips for the sampling benchmark: encoded once, looped without encoding to the lengths that are asked for."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
from av.packet import Packet
from av.video.stream import VideoStream
from numpy.typing import NDArray

RATE = 30
# Encoded for real; longer clips repeat it, which keeps the GOP structure and what a frame costs.
ENCODED_SECONDS = {"360p": 20, "1080p": 20, "4k": 10}
SIZES = {"360p": (640, 360), "1080p": (1920, 1080), "4k": (3840, 2160)}

_ENCODERS: dict[str, tuple[str, str, dict[str, str]]] = {
    # PyAV asks for slices, which only live streams have and which let several threads share a picture: not here.
    "h264": (
        "libx264",
        "mp4",
        {"preset": "veryfast", "crf": "24", "sc_threshold": "0", "x264-params": "sliced-threads=0"},
    ),
    "hevc": ("libx265", "mp4", {"preset": "ultrafast", "crf": "28"}),
    "vp9": ("libvpx-vp9", "webm", {"deadline": "realtime", "cpu-used": "8", "row-mt": "1", "crf": "36", "b": "0"}),
    "av1": ("libsvtav1", "mp4", {"preset": "11", "crf": "40"}),
    "mpeg4": ("mpeg4", "avi", {"qscale": "5"}),
    "mjpeg": ("mjpeg", "avi", {"qscale": "5"}),
}
CODECS = tuple(_ENCODERS)


@dataclass(frozen=True)
class Case:
    """One row of the benchmark: what the clip is."""

    codec: str
    gop: int
    seconds: int
    size: str

    @property
    def name(self) -> str:
        return f"{self.codec} {self.size} gop {self.gop}, {self.seconds} s"

    @property
    def frames(self) -> int:
        return self.seconds * RATE


def clip_for(case: Case, folder: Path) -> Path:
    """The clip of that case, made where it is not there yet."""
    suffix = _ENCODERS[case.codec][1]
    path = folder / f"{case.codec}_{case.size}_g{case.gop}_{case.seconds}s.{suffix}"
    if path.exists():
        return path
    base = folder / f"{case.codec}_{case.size}_g{case.gop}_base.{suffix}"
    if not base.exists():
        _finish(base, lambda partial: _encode(partial, case))
    _finish(path, lambda partial: _loop(base, partial, case.frames))
    return path


def _finish(path: Path, make: Callable[[Path], None]) -> None:
    """Make a file under another name first, so that an interrupted run leaves no half of one."""
    partial = path.with_name(f"partial-{path.name}")
    make(partial)
    partial.rename(path)


def _encode(path: Path, case: Case) -> None:
    codec, _, options = _ENCODERS[case.codec]
    if codec == "libx265":
        options = options | {"x265-params": f"log-level=none:keyint={case.gop}:scenecut=0:bframes=4:open-gop=0"}
    width, height = SIZES[case.size]
    with av.open(str(path), "w") as container:
        stream = container.add_stream(codec, rate=RATE, options=options)
        assert isinstance(stream, VideoStream)
        stream.width, stream.height = width, height
        stream.pix_fmt = "yuvj420p" if codec == "mjpeg" else "yuv420p"
        stream.codec_context.gop_size = case.gop
        scenery = _Scenery(width, height)
        for number in range(ENCODED_SECONDS[case.size] * RATE):
            frame = av.VideoFrame.from_ndarray(scenery.picture(number), format="rgb24").reformat(format=stream.pix_fmt)
            frame.pts, frame.time_base = number, Fraction(1, RATE)
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))


def _loop(base: Path, path: Path, frames: int) -> None:
    """Repeat the packets of `base` until the clip has so many frames."""
    with av.open(str(base)) as source, av.open(str(path), "w") as target:
        template = source.streams.video[0]
        packets: list[Packet[VideoStream]] = [packet for packet in source.demux(template) if packet.size]
        stream = target.add_stream_from_template(template, opaque=True)
        step = round(1 / (RATE * (template.time_base or Fraction(1, RATE))))
        written = 0
        while written < frames:
            offset = round(Fraction(written, RATE) / packets[0].time_base)
            # A loop may end early only where all that has been written is presented before all that has not.
            for packet in packets[: frames - written]:
                copy = Packet(bytes(packet))
                copy.stream, copy.time_base = stream, packet.time_base
                copy.pts, copy.dts = (packet.pts or 0) + offset, (packet.dts or 0) + offset
                copy.is_keyframe = packet.is_keyframe
                copy.duration = step
                target.mux(copy)
            written += len(packets)


class _Scenery:
    """A textured landscape under a slow pan with grain, and a new one every 5 seconds."""

    def __init__(self, width: int, height: int) -> None:
        self._width, self._height = width, height
        self._scene = -1
        self._backdrop: NDArray[np.uint8] = np.empty((0, 0, 3), np.uint8)
        random = np.random.default_rng(1)
        self._grain = random.normal(0, 4, (4, height, width, 1)).astype(np.int16)

    def picture(self, number: int) -> NDArray[np.uint8]:
        scene = number // (5 * RATE)
        if scene != self._scene:
            self._scene, self._backdrop = scene, self._paint(scene)
        shift = 2 * (number % (5 * RATE))
        view = self._backdrop[shift // 2 : shift // 2 + self._height, shift : shift + self._width]
        return np.asarray(np.clip(view + self._grain[number % 4], 0, 255), dtype=np.uint8)

    def _paint(self, scene: int) -> NDArray[np.uint8]:
        random = np.random.default_rng(100 + scene)
        height, width = self._height + 160, self._width + 320
        picture = np.zeros((height, width, 3), np.float32)
        for scale in (8, 16, 40, 80):
            coarse = random.normal(size=(height // scale + 1, width // scale + 1, 3)).astype(np.float32)
            picture += np.repeat(np.repeat(coarse, scale, 0), scale, 1)[:height, :width] * scale**0.5
        picture -= picture.min()
        return np.asarray(picture * (235 / picture.max()), dtype=np.uint8)

"""Frames as they arrive, checked and gathered into the array that an engine is given."""

from __future__ import annotations

import enum
import io
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from vidtomusictags.rpc import failures

MAX_ENCODED_BYTES = 1024 * 1024
MAX_RAW_BYTES = 3 * 1024 * 1024
MAX_SIDE_PIXELS = 4096
MAX_CLIP_PIXELS = 64 * 1280 * 720
"""Decoded frames of one clip together: 177 MB as RGB."""


class Encoding(enum.Enum):
    """How the bytes of a frame are encoded; the values are Pillow's names."""

    JPEG = "JPEG"
    PNG = "PNG"
    RGB24 = "RGB24"

    @property
    def max_bytes(self) -> int:
        return MAX_RAW_BYTES if self is Encoding.RGB24 else MAX_ENCODED_BYTES


@dataclass(frozen=True)
class FrameFormat:
    """What every frame of a call must be. size: (width, height) in pixels, or None where the first frame decides."""

    encoding: Encoding
    size: tuple[int, int] | None = None

    def __post_init__(self) -> None:
        if self.size is None:
            if self.encoding is Encoding.RGB24:
                raise failures.InvalidRequest("frame_size is required for RGB24 frames.", field="frame_size")
        elif not all(1 <= side <= MAX_SIDE_PIXELS for side in self.size):
            raise failures.InvalidRequest(
                f"frame_size must be 1 to {MAX_SIDE_PIXELS} pixels on both sides.", field="frame_size"
            )


@dataclass(frozen=True)
class EncodedFrame:
    """A frame before it is decoded. pts_seconds: from the first presented frame of the video."""

    index: int
    pts_seconds: float
    data: bytes


class FrameOrder:
    """Checks frames one by one as they come: their size in bytes and that they move forward."""

    def __init__(self, encoding: Encoding) -> None:
        self._encoding = encoding
        self._last: EncodedFrame | None = None

    def check(self, frame: EncodedFrame) -> None:
        """Raises FrameTooLarge, FrameInvalid for an empty frame, or InvalidRequest for one that is out of order."""
        if not frame.data:
            raise failures.FrameInvalid(f"Frame {frame.index} has no data.", field="frames.data")
        if len(frame.data) > self._encoding.max_bytes:
            raise failures.FrameTooLarge(
                f"Frame {frame.index} has {len(frame.data)} bytes; at most {self._encoding.max_bytes} are taken. "
                "Send it smaller; GetModel says which size is wanted.",
                field="frames.data",
            )
        if frame.pts_seconds < 0:
            raise failures.InvalidRequest(f"Frame {frame.index} has a negative pts.", field="frames.pts")
        if self._last and frame.index <= self._last.index:
            raise failures.InvalidRequest(
                f"Frame {frame.index} follows frame {self._last.index}; indices must rise.", field="frames.index"
            )
        if self._last and frame.pts_seconds < self._last.pts_seconds:
            raise failures.InvalidRequest(f"The pts of frame {frame.index} falls.", field="frames.pts")
        self._last = frame


class Gathering:
    """The frames of one clip as they come. Raw ones go to their place at once, while they are at hand in the
    processor's cache; others are kept as they are, for `decode_frames`.

    room: raw frames that are expected; more may come.
    """

    def __init__(self, format: FrameFormat, *, room: int) -> None:
        self._format = format
        self._room = max(1, room)
        self._raw: NDArray[np.uint8] | None = None
        self.encoded: list[EncodedFrame] = []
        self.pts_seconds: list[float] = []

    def __len__(self) -> int:
        return len(self.pts_seconds)

    @property
    def pictures(self) -> NDArray[np.uint8] | None:
        """Raw frames as one array: uint8, (frames, height, width, 3), RGB; None where there are encoded ones."""
        return None if self._raw is None else self._raw[: len(self)]

    def add(self, frame: EncodedFrame) -> None:
        """Takes the next frame. Raises FrameSizeMismatch or FrameTooLarge for a raw one."""
        if self._format.encoding is Encoding.RGB24:
            self._put(_raw(frame, self._format.size))
        else:
            self.encoded.append(frame)
        self.pts_seconds.append(frame.pts_seconds)

    def _put(self, picture: NDArray[np.uint8]) -> None:
        number = len(self)
        _check_pixels(picture, number + 1)
        if self._raw is None:
            self._raw = np.empty((self._room, *picture.shape), np.uint8)
        elif number == len(self._raw):
            self._raw = np.concatenate([self._raw, np.empty_like(self._raw)])
        self._raw[number] = picture


def decode_frames(frames: Sequence[EncodedFrame], format: FrameFormat) -> NDArray[np.uint8]:
    """Encoded frames as one array: uint8, (frames, height, width, 3), RGB.

    Blocks for about 1 ms a frame. Raises FrameInvalid, FrameSizeMismatch or FrameTooLarge, naming the frame.
    """
    size = format.size
    decoded = []
    for frame in frames:
        picture = _image(frame, format.encoding, size)
        size = (picture.shape[1], picture.shape[0])
        _check_pixels(picture, len(frames))
        decoded.append(picture)
    return np.stack(decoded)


def _check_pixels(picture: NDArray[np.uint8], frames: int) -> None:
    height, width = picture.shape[:2]
    if width * height * frames > MAX_CLIP_PIXELS:
        raise failures.FrameTooLarge(
            f"{frames} frames of {width} x {height} are more than a clip may hold; send them smaller.",
            field="frames.data",
        )


def _raw(frame: EncodedFrame, size: tuple[int, int] | None) -> NDArray[np.uint8]:
    if size is None:
        raise failures.InvalidRequest("frame_size is required for RGB24 frames.", field="frame_size")
    width, height = size
    if len(frame.data) != width * height * 3:
        raise failures.FrameSizeMismatch(
            f"Frame {frame.index} has {len(frame.data)} bytes; {width} x {height} RGB24 has {width * height * 3}.",
            field="frames.data",
        )
    return np.frombuffer(frame.data, np.uint8).reshape(height, width, 3)


def _image(frame: EncodedFrame, encoding: Encoding, size: tuple[int, int] | None) -> NDArray[np.uint8]:
    try:
        with Image.open(io.BytesIO(frame.data), formats=[encoding.value]) as image:
            if max(image.size) > MAX_SIDE_PIXELS:  # known from the header, before anything is decoded
                raise failures.FrameTooLarge(
                    f"Frame {frame.index} is larger than {MAX_SIDE_PIXELS} pixels on a side.", field="frames.data"
                )
            if size is not None and image.size != size:
                raise failures.FrameSizeMismatch(
                    f"Frame {frame.index} is {image.width} x {image.height}, the clip is {size[0]} x {size[1]}; "
                    "send all frames of a clip at one size.",
                    field="frames.data",
                )
            return np.asarray(image.convert("RGB"))
    except (OSError, SyntaxError, ValueError, Image.DecompressionBombError) as error:
        raise failures.FrameInvalid(
            f"Frame {frame.index} cannot be read as {encoding.value}.", field="frames.data"
        ) from error

"""Frames of a clip as they come: raw ones put in place and refused at once, others kept as they are."""

from __future__ import annotations

import io

import numpy as np
import pytest
from PIL import Image

from captioner_service.frames import MAX_CLIP_PIXELS, EncodedFrame, Encoding, FrameFormat, Gathering, decode_frames
from vidtomusictags.rpc.failures import FrameInvalid, FrameSizeMismatch, FrameTooLarge

RAW = FrameFormat(Encoding.RGB24, (3, 2))
PNG = FrameFormat(Encoding.PNG)


def pixels(number: int, height: int = 2, width: int = 3) -> np.ndarray:
    return np.random.default_rng(number).integers(0, 255, (height, width, 3), dtype=np.uint8)


def raw(number: int) -> EncodedFrame:
    return EncodedFrame(number, number / 2, pixels(number).tobytes())


def png(number: int, width: int = 3) -> EncodedFrame:
    written = io.BytesIO()
    Image.fromarray(pixels(number, width=width)).save(written, "PNG")
    return EncodedFrame(number, number / 2, written.getvalue())


@pytest.mark.parametrize("count", [1, 4, 5, 23], ids=lambda n: f"{n} frames")
def test_all_raw_frames_are_there_in_order_whatever_room_was_made(count: int) -> None:
    gathering = Gathering(RAW, room=4)
    for number in range(count):
        gathering.add(raw(number))
    pictures = gathering.pictures
    assert pictures is not None and pictures.flags.c_contiguous
    assert np.array_equal(pictures, np.stack([pixels(number) for number in range(count)]))
    assert gathering.pts_seconds == [number / 2 for number in range(count)]
    assert len(gathering) == count and not gathering.encoded


def test_encoded_frames_are_kept_until_all_are_there() -> None:
    gathering = Gathering(PNG, room=1)
    for number in range(3):
        gathering.add(png(number))
    assert gathering.pictures is None and len(gathering) == 3
    assert np.array_equal(decode_frames(gathering.encoded, PNG), np.stack([pixels(number) for number in range(3)]))


def test_a_raw_frame_of_another_size_is_refused_when_it_comes() -> None:
    gathering = Gathering(RAW, room=4)
    gathering.add(raw(0))
    with pytest.raises(FrameSizeMismatch, match="Frame 7"):
        gathering.add(EncodedFrame(7, 1.0, b"12345"))


def test_more_raw_pixels_than_a_clip_may_hold_are_refused_when_they_come() -> None:
    side = 1024
    gathering = Gathering(FrameFormat(Encoding.RGB24, (side, side)), room=1)
    frame, most = EncodedFrame(0, 0.0, bytes(side * side * 3)), MAX_CLIP_PIXELS // side**2
    for _ in range(most):
        gathering.add(frame)
    with pytest.raises(FrameTooLarge):
        gathering.add(frame)


def test_pictures_of_two_sizes_in_one_clip_are_refused() -> None:
    with pytest.raises(FrameSizeMismatch, match="Frame 1 is 4 x 2, the clip is 3 x 2"):
        decode_frames([png(0), png(1, width=4)], PNG)


def test_a_picture_that_cannot_be_read_is_named() -> None:
    with pytest.raises(FrameInvalid, match="Frame 1"):
        decode_frames([png(0), EncodedFrame(1, 1.0, b"no picture")], PNG)

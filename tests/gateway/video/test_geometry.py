"""Rotation, mirror images, pixel shapes and changes of size, as a viewer would see them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
from av.video.stream import VideoStream
from video_clips import Recipe, encode, sequentially

from gateway.video.pictures import Orientation
from gateway.video.plan import Encoding, SamplingPlan
from gateway.video.sandbox import Sandbox

MakeClip = Callable[[Recipe], Path]
NATIVE = SamplingPlan(frames=2, encoding=Encoding.RGB24)


def turned(degrees: float, *, hflip: bool = False) -> Recipe:
    def prepare(stream: VideoStream) -> None:
        stream.set_display_rotation(degrees, hflip=hflip)

    return Recipe(frames=4, prepare=prepare)


@pytest.mark.parametrize("quarters", [0, 1, 2, 3])
@pytest.mark.parametrize("hflip", [False, True])
async def test_a_turned_video_comes_back_upright(quarters: int, hflip: bool, clip: MakeClip, sandbox: Sandbox) -> None:
    path = clip(turned(90 * quarters, hflip=hflip))
    frame = sequentially(path)[1]
    coded = np.asarray(frame.to_ndarray(format="rgb24"))
    taken = await sandbox.sample(path, NATIVE)
    # PyAV's convention: the matrix turns counter-clockwise by the angle, and then flips.
    expected = np.rot90(coded, quarters)[:, :: -1 if hflip else 1]
    np.testing.assert_array_equal(taken.array()[0], expected)
    facts = taken.manifest.video
    assert (facts.display_width, facts.display_height) == (taken.width, taken.height) == expected.shape[1::-1]
    assert (facts.width, facts.height) == (96, 64)
    assert facts.rotation_degrees == (90 if hflip else -90) * quarters % 360
    assert facts.mirrored is hflip


@pytest.mark.parametrize("transposed", [False, True])
@pytest.mark.parametrize("flipped_x", [False, True])
@pytest.mark.parametrize("flipped_y", [False, True])
def test_an_orientation_is_named_as_a_flip_and_a_clockwise_turn(
    transposed: bool, flipped_x: bool, flipped_y: bool
) -> None:
    orientation = Orientation(transposed, flipped_x, flipped_y)
    picture = np.arange(18, dtype=np.uint8).reshape(2, 3, 3)
    named = picture[:, ::-1] if orientation.mirrored else picture
    np.testing.assert_array_equal(orientation.apply(picture), np.rot90(named, -orientation.rotation_degrees // 90))


async def test_a_turn_that_is_no_quarter_is_left_out_and_said(clip: MakeClip, sandbox: Sandbox) -> None:
    taken = await sandbox.sample(clip(turned(30)), NATIVE)
    assert (taken.width, taken.height) == (96, 64)
    assert [warning.code for warning in taken.manifest.warnings] == ["rotation_ignored"]


@pytest.mark.parametrize("suffix", ["mp4", "mkv", "ts"])
async def test_anamorphic_pixels_become_square(suffix: str, clip: MakeClip, sandbox: Sandbox) -> None:
    def prepare(stream: VideoStream) -> None:
        stream.codec_context.sample_aspect_ratio = Fraction(4, 3)

    path = clip(Recipe(frames=4, suffix=suffix, prepare=prepare))
    taken = await sandbox.sample(path, NATIVE)
    assert taken.manifest.video.sample_aspect_ratio == "4:3"
    assert (taken.width, taken.height) == (128, 64)
    reference = sequentially(path)[1].to_ndarray(format="rgb24", width=128, height=64, interpolation="BICUBIC")
    np.testing.assert_array_equal(taken.array()[0], reference)
    small = await sandbox.sample(path, replace(NATIVE, short_side_pixels=32))
    assert (small.width, small.height) == (64, 32)


async def test_a_change_of_size_within_the_video_still_gives_one_size(tmp_path: Path, sandbox: Sandbox) -> None:
    parts = [
        encode(
            tmp_path / f"{n}.ts", Recipe(suffix="ts", frames=20, width=size[0], height=size[1], pts=lambda i: i + 50)
        )
        for n, size in enumerate([(96, 64), (128, 96)])
    ]
    joined = tmp_path / "joined.ts"
    joined.write_bytes(b"".join(part.read_bytes() for part in parts))
    taken = await sandbox.sample(joined, SamplingPlan(frames=4, encoding=Encoding.RGB24))
    assert taken.array().shape == (4, 64, 96, 3)
    assert "mixed_sizes" in [warning.code for warning in taken.manifest.warnings]
    assert [frame.index for frame in taken.manifest.frames] == [5, 15, 25, 35]

"""Covering shots: on clips with known cuts, and with what only looks like one."""

from __future__ import annotations

import bisect
from collections.abc import Callable
from functools import cache
from pathlib import Path

import numpy as np
import pytest
from video_clips import Picture, Recipe, encode

from gateway.video.plan import SamplingPlan
from gateway.video.sandbox import Sandbox
from gateway.video.shots import Shot, share_out

# Lengths of the shots, in frames: two long ones and many short ones, which equal spans of time mostly miss.
LENGTHS = [150, 24, 20, 130, 26, 21, 23, 27]
BOUNDS = [sum(LENGTHS[:n]) for n in range(len(LENGTHS) + 1)]

ENCODINGS = {
    "h264, fixed GOP": Recipe(gop=60),
    "h264, keyframes at cuts": Recipe(gop=250, options=(("sc_threshold", "40"),)),
    "hevc": Recipe(codec="libx265", gop=60),
    "vp9": Recipe(codec="libvpx-vp9", suffix="webm", gop=100),
    "av1": Recipe(codec="libsvtav1", gop=60),
    "mpeg4": Recipe(codec="mpeg4", suffix="avi", gop=60),
    "mjpeg": Recipe(codec="mjpeg", suffix="avi", pixel_format="yuvj420p"),
}


@cache
def backdrop(shot: int) -> Picture:
    """A random, blocky picture, larger than the frame, of its own colour."""
    random = np.random.default_rng(shot + 40)
    blocks = random.uniform(0.6, 1.0, (12, 16, 1)) * random.uniform(30, 255, 3)
    return np.kron(blocks, np.ones((16, 16, 1))).astype(np.uint8)


def scene(number: int, width: int, height: int) -> Picture:
    """The shot that is on at that frame, panning slowly."""
    shot = bisect.bisect_right(BOUNDS, number) - 1
    shift = (number - BOUNDS[shot]) // 6
    return np.ascontiguousarray(backdrop(shot)[shift : shift + height, shift : shift + width])


def flashing(number: int, width: int, height: int) -> Picture:
    """One shot with white flashes of two frames."""
    image = np.ascontiguousarray(backdrop(0)[number // 8 :][:height, :width])
    return np.full_like(image, 250) if number % 40 in (20, 21) else image


async def covered(sandbox: Sandbox, path: Path, sampler: str, count: int) -> set[int]:
    taken = await sandbox.sample(path, SamplingPlan(sampler=sampler, frames=count))
    return {bisect.bisect_right(BOUNDS, frame.index) - 1 for frame in taken.manifest.frames}


@pytest.mark.parametrize("recipe", ENCODINGS.values(), ids=ENCODINGS.keys())
async def test_shots_covers_clearly_more_shots_than_uniform(recipe: Recipe, tmp_path: Path, sandbox: Sandbox) -> None:
    whole = {**vars(recipe), "frames": BOUNDS[-1], "width": 160, "height": 96}
    path = encode(tmp_path / f"cuts.{recipe.suffix}", Recipe(**whole), scene)
    by_time = await covered(sandbox, path, "uniform", 8)
    by_shot = await covered(sandbox, path, "shots", 8)
    print(f"shots covered with 8 frames, of {len(LENGTHS)}: uniform {len(by_time)}, shots {len(by_shot)}")
    assert len(by_shot) >= len(by_time) + 2
    assert len(by_shot) >= 7
    assert {0, 3} <= await covered(sandbox, path, "shots", 2), "the longest come first"


async def test_a_flash_is_no_cut(tmp_path: Path, sandbox: Sandbox) -> None:
    path = encode(tmp_path / "flashes.mp4", Recipe(frames=200, gop=250, width=160, height=96), flashing)
    taken = await sandbox.sample(path, SamplingPlan(sampler="shots", frames=4))
    assert [frame.reason for frame in taken.manifest.frames] == [f"shot 1 of 1, part {n} of 4" for n in (1, 2, 3, 4)]
    assert [frame.index for frame in taken.manifest.frames] == [25, 75, 125, 175]


async def test_motion_at_the_ends_of_a_clip_is_no_shot(clip: Callable[[Recipe], Path], sandbox: Sandbox) -> None:
    taken = await sandbox.sample(clip(Recipe(frames=150)), SamplingPlan(sampler="shots", frames=3))
    assert all(frame.reason.startswith("shot 1 of 1") for frame in taken.manifest.frames)


async def test_where_shots_cannot_be_looked_for_equal_parts_are_taken_and_it_is_said(
    tmp_path: Path, sandbox: Sandbox
) -> None:
    path = encode(tmp_path / "cuts.gif", Recipe(codec="gif", suffix="gif", pixel_format="rgb8", frames=40), scene)
    taken = await sandbox.sample(path, SamplingPlan(sampler="shots", frames=4))
    assert [frame.index for frame in taken.manifest.frames] == [5, 15, 25, 35]
    assert "shots_unknown" in [warning.code for warning in taken.manifest.warnings]


@pytest.mark.parametrize(
    "lengths, count, shares",
    [
        ([100], 3, [3]),
        ([10, 30, 20], 2, [0, 1, 1]),
        ([10, 30, 20], 3, [1, 1, 1]),
        ([10, 30, 20], 6, [1, 3, 2]),
        ([1, 1, 50], 6, [1, 1, 4]),
        ([2, 1], 9, [2, 1]),
    ],
)
def test_every_shot_gets_one_frame_before_any_gets_two(lengths: list[int], count: int, shares: list[int]) -> None:
    bounds = [sum(lengths[:n]) for n in range(len(lengths) + 1)]
    shots = [Shot(bounds[n], bounds[n + 1]) for n in range(len(lengths))]
    assert share_out(shots, count) == shares

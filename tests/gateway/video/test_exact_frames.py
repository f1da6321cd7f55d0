"""Every sampled frame against a plain sequential decode: its index, its pts and each of its pixels."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from fractions import Fraction
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from video_clips import Recipe, middles, number_shown, prototype, sequentially

from gateway.video.plan import Encoding, SamplingPlan
from gateway.video.sampled import SampledClip
from gateway.video.samplers import SAMPLERS
from gateway.video.sandbox import Sandbox

MakeClip = Callable[[Recipe], Path]

GRADUAL = Recipe(frames=80, gop=16, options=(("x264-params", "intra-refresh=1"),))
RECIPES = {
    "h264 mp4": Recipe(),
    "h264 mp4, every frame a keyframe": Recipe(gop=1),
    "h264 mp4, one keyframe": Recipe(gop=300),
    "h264 mp4, moov first": Recipe(muxer_options=(("movflags", "faststart"),)),
    "h264 mp4, fragmented": Recipe(muxer_options=(("movflags", "frag_keyframe+empty_moov"),)),
    "h264 mp4, open GOP and deep pyramid": Recipe(options=(("x264-params", "open-gop=1:bframes=5:b-pyramid=normal"),)),
    "h264 mp4, refreshed gradually": GRADUAL,
    "h264 ts, refreshed gradually": replace(GRADUAL, suffix="ts"),
    "h264 mov": Recipe(suffix="mov"),
    "h264 mkv": Recipe(suffix="mkv"),
    "h264 ts": Recipe(suffix="ts"),
    "h264 flv": Recipe(suffix="flv"),
    "h264 10 bit 4:2:2": Recipe(pixel_format="yuv422p10le"),
    "hevc mp4": Recipe(codec="libx265"),
    "hevc mkv": Recipe(codec="libx265", suffix="mkv", gop=30),
    "hevc ts": Recipe(codec="libx265", suffix="ts"),
    "vp9 webm": Recipe(codec="libvpx-vp9", suffix="webm"),
    "av1 mp4": Recipe(codec="libsvtav1", gop=20),
    "av1 webm": Recipe(codec="libsvtav1", suffix="webm", gop=20),
    "mpeg4 avi": Recipe(codec="mpeg4", suffix="avi"),
    "mpeg4 mp4 with B-frames": Recipe(codec="mpeg4", options=(("bf", "2"),)),
    "prores mov": Recipe(codec="prores_ks", suffix="mov", pixel_format="yuv422p10le"),
    "mjpeg avi": Recipe(codec="mjpeg", suffix="avi", pixel_format="yuvj420p"),
    "mpeg2 ts": Recipe(codec="mpeg2video", suffix="ts", options=(("bf", "2"),)),
    "gif": Recipe(codec="gif", suffix="gif", pixel_format="rgb8", frames=30),
    "variable rate mp4": Recipe(time_base=Fraction(1, 600), pts=lambda n: n * 24 + (n // 7) * 31),
    "variable rate mkv": Recipe(suffix="mkv", time_base=Fraction(1, 1000), pts=lambda n: n * 40 + (n // 7) * 91),
    "ntsc mkv": Recipe(suffix="mkv", rate=Fraction(30000, 1001)),
    "starts late, mkv": Recipe(suffix="mkv", pts=lambda n: n + 50),
    "odd size": Recipe(width=97, height=65, pixel_format="yuv444p"),
}


async def sampled(sandbox: Sandbox, path: Path, sampler: str, count: int) -> SampledClip:
    return await sandbox.sample(path, SamplingPlan(sampler=sampler, frames=count, encoding=Encoding.RGB24))


@pytest.mark.parametrize("sampler", ["uniform", "notebook"])
@pytest.mark.parametrize("recipe", RECIPES.values(), ids=RECIPES.keys())
async def test_every_frame_equals_that_of_a_sequential_decode(
    recipe: Recipe, sampler: str, clip: MakeClip, sandbox: Sandbox
) -> None:
    path = clip(recipe)
    reference = sequentially(path)
    assert [number_shown(np.asarray(f.to_ndarray(format="rgb24"))) for f in reference] == list(range(recipe.frames))
    taken = await sampled(sandbox, path, sampler, 8)
    stamps = [frame.pts for frame in reference]
    assert all(pts is not None for pts in stamps)
    known = [pts for pts in stamps if pts is not None]
    time_base = Fraction(taken.manifest.video.time_base)
    assert taken.manifest.video.frame_count == recipe.frames
    if sampler == "uniform":
        end = known[0] + round(Fraction(taken.manifest.video.duration_seconds).limit_denominator(10**6) / time_base)
        assert [frame.index for frame in taken.manifest.frames] == middles(known, end, 8)
    else:
        expected = np.arange(0, recipe.frames, recipe.frames / 8).astype(int).tolist()
        assert [frame.index for frame in taken.manifest.frames] == expected
    for frame, image in zip(taken.manifest.frames, taken.array(), strict=True):
        assert frame.pts == known[frame.index]
        assert frame.pts_seconds == pytest.approx(float(frame.pts * time_base))
        assert frame.time_seconds == pytest.approx(float((frame.pts - known[0]) * time_base))
        assert number_shown(image) == frame.index
        np.testing.assert_array_equal(image, reference[frame.index].to_ndarray(format="rgb24"))


@pytest.mark.parametrize("count", [1, 3, 7, 8, 24, 60])
@pytest.mark.parametrize("recipe", [Recipe(), Recipe(suffix="mov", gop=250, frames=59)], ids=["60 frames", "59 frames"])
async def test_notebook_returns_bit_for_bit_what_the_prototype_returns(
    recipe: Recipe, count: int, clip: MakeClip, sandbox: Sandbox
) -> None:
    path = clip(recipe)
    np.testing.assert_array_equal((await sampled(sandbox, path, "notebook", count)).array(), prototype(path, count))


@pytest.mark.parametrize("sampler", ["uniform", "notebook"])
@pytest.mark.parametrize("frames", [1, 2, 3, 7])
async def test_a_clip_with_fewer_frames_than_asked_gives_each_once_and_says_so(
    frames: int, sampler: str, clip: MakeClip, sandbox: Sandbox
) -> None:
    path = clip(Recipe(frames=frames))
    taken = await sampled(sandbox, path, sampler, 8)
    assert [frame.index for frame in taken.manifest.frames] == list(range(frames))
    assert "fewer_frames" in [warning.code for warning in taken.manifest.warnings]
    assert prototype(path, 8).shape[0] == frames


@pytest.mark.parametrize("recipe", RECIPES.values(), ids=RECIPES.keys())
async def test_snap_gives_distinct_frames_in_order_and_says_how_far_each_is_from_its_target(
    recipe: Recipe, clip: MakeClip, sandbox: Sandbox
) -> None:
    path = clip(recipe)
    reference = sequentially(path)
    keys = {index for index, frame in enumerate(reference) if frame.key_frame}
    taken = await sampled(sandbox, path, "snap", 8)
    frames = taken.manifest.frames
    half_span = taken.manifest.video.duration_seconds / 16
    assert len(frames) == 8
    assert all(a.index < b.index for a, b in pairwise(frames))
    for frame, image in zip(frames, taken.array(), strict=True):
        away = frame.time_seconds - frame.target_seconds
        assert abs(away) <= half_span + 1e-6
        assert float(frame.reason.split(", ")[-1].split()[0]) == pytest.approx(away, abs=0.0006)
        assert frame.index in keys or "exact" in frame.reason
        np.testing.assert_array_equal(image, reference[frame.index].to_ndarray(format="rgb24"))


async def test_snap_decodes_one_packet_for_each_keyframe(clip: MakeClip, sandbox: Sandbox) -> None:
    for codec in ("libx264", "libx265"):
        path = clip(Recipe(codec=codec, frames=240, gop=12))
        taken = await sampled(sandbox, path, "snap", 4)
        assert taken.manifest.effort.packets_decoded == 4
        assert all(frame.reason.startswith("keyframe") for frame in taken.manifest.frames)


@pytest.mark.parametrize("sampler", SAMPLERS)
@pytest.mark.parametrize("suffix", ["mp4", "ts", "gif"])
async def test_a_time_range_restricts_the_sampling(sampler: str, suffix: str, clip: MakeClip, sandbox: Sandbox) -> None:
    gif = Recipe(codec="gif", suffix="gif", pixel_format="rgb8")
    path = clip(gif if suffix == "gif" else Recipe(suffix=suffix))
    plan = SamplingPlan(sampler=sampler, frames=4, start_seconds=0.8, end_seconds=1.6, encoding=Encoding.RGB24)
    taken = await sandbox.sample(path, plan)
    assert len(taken.manifest.frames) == 4
    assert all(20 <= frame.index < 40 for frame in taken.manifest.frames)
    assert [number_shown(image) for image in taken.array()] == [frame.index for frame in taken.manifest.frames]
    if sampler == "uniform":
        assert [frame.index for frame in taken.manifest.frames] == [22, 27, 32, 37]
    beyond = await sandbox.sample(path, replace(plan, end_seconds=99.0))
    assert all(frame.index >= 20 for frame in beyond.manifest.frames)
    assert "range_cut" in [warning.code for warning in beyond.manifest.warnings]
    sliver = await sandbox.sample(path, replace(plan, start_seconds=0.81, end_seconds=0.82))
    assert [frame.index for frame in sliver.manifest.frames] == [20]


@pytest.mark.parametrize("count", [1, 5, 59, 60, 256])
@pytest.mark.parametrize("sampler", SAMPLERS)
async def test_any_number_of_frames_from_1_to_256_can_be_asked_for(
    sampler: str, count: int, clip: MakeClip, sandbox: Sandbox
) -> None:
    taken = await sampled(sandbox, clip(Recipe()), sampler, count)
    indices = [frame.index for frame in taken.manifest.frames]
    assert len(indices) == min(count, 60)
    assert indices == sorted(set(indices))
    assert [number_shown(image) for image in taken.array()] == indices


async def test_uniform_looks_at_the_last_part_and_covers_the_whole_clip(clip: MakeClip, sandbox: Sandbox) -> None:
    taken = await sampled(sandbox, clip(Recipe()), "uniform", 8)
    assert [frame.index for frame in taken.manifest.frames] == [3, 11, 18, 26, 33, 41, 48, 56]
    assert taken.manifest.frames[0].reason == "middle of span 1 of 8"
    assert taken.manifest.coverage.covered_share == 1.0
    assert taken.manifest.coverage.first_seconds == pytest.approx(0.12)
    assert taken.manifest.coverage.last_seconds == pytest.approx(2.24)
    assert taken.manifest.coverage.longest_gap_seconds == pytest.approx(0.32)
    assert taken.manifest.warnings == ()


async def test_only_what_the_targets_need_is_decoded(clip: MakeClip, sandbox: Sandbox) -> None:
    taken = await sampled(sandbox, clip(Recipe(frames=300, gop=12)), "uniform", 4)
    assert taken.manifest.effort.table == "index"
    assert taken.manifest.effort.packets_decoded < 4 * 12
    assert taken.manifest.effort.packets_skipped > 0


@pytest.mark.parametrize("suffix", ["mp4", "webm"])
async def test_av1_pictures_that_no_other_refers_to_are_cut_out_of_the_packets(
    suffix: str, clip: MakeClip, sandbox: Sandbox
) -> None:
    taken = await sampled(sandbox, clip(Recipe(codec="libsvtav1", suffix=suffix, frames=120, gop=120)), "uniform", 2)
    effort = taken.manifest.effort
    assert effort.packets_skipped > 15  # packets of nothing else
    assert effort.frames_decoded < effort.packets_decoded - 5  # and packets that begin with what others refer to
    assert [number_shown(image) for image in taken.array()] == [30, 90]


async def test_hevc_parameters_are_learnt_from_the_packet_of_the_keyframe(clip: MakeClip, sandbox: Sandbox) -> None:
    taken = await sampled(sandbox, clip(Recipe(codec="libx265", suffix="ts", gop=60)), "uniform", 2)
    assert taken.manifest.effort.packets_skipped > 5


@pytest.mark.parametrize("suffix", ["mp4", "ts"])
async def test_a_gradual_refresh_is_not_taken_for_a_keyframe_and_is_warned_about(
    suffix: str, clip: MakeClip, sandbox: Sandbox
) -> None:
    path = clip(replace(GRADUAL, suffix=suffix))
    taken = await sampled(sandbox, path, "uniform", 2)
    assert "gradual_refresh" in [warning.code for warning in taken.manifest.warnings]
    effort = taken.manifest.effort
    assert effort.packets_decoded + effort.packets_skipped >= 60
    snapped = (await sampled(sandbox, path, "snap", 4)).manifest.frames
    assert [frame.index for frame in snapped if frame.reason.startswith("keyframe")] == [0]

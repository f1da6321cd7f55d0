"""Files that are no video, or not one that can be sampled: each one clear failure."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import av
import numpy as np
import pytest
from video_clips import Recipe

from gateway.video.plan import SamplingPlan
from gateway.video.sandbox import Sandbox, SandboxLimits, running_sandbox
from vidtomusictags.rpc import failures

MakeClip = Callable[[Recipe], Path]


def made(path: Path, content: bytes) -> Path:
    path.write_bytes(content)
    return path


async def failure_of(sandbox: Sandbox, path: Path) -> failures.Failure:
    with pytest.raises(failures.Failure) as refused:
        await sandbox.sample(path, SamplingPlan())
    assert str(path.parent) not in refused.value.message
    assert refused.value.message.endswith(".")
    return refused.value


async def test_a_missing_file_is_not_found(tmp_path: Path, sandbox: Sandbox) -> None:
    assert isinstance(await failure_of(sandbox, tmp_path / "none.mp4"), failures.VideoNotFound)


async def test_what_is_no_regular_file_is_unreadable(tmp_path: Path, sandbox: Sandbox) -> None:
    os.mkfifo(tmp_path / "pipe.mp4")
    for path in (tmp_path, tmp_path / "pipe.mp4", Path("/dev/zero")):
        assert isinstance(await failure_of(sandbox, path), failures.VideoUnreadable)


@pytest.mark.parametrize(
    "name, content",
    [
        ("empty.mp4", b""),
        ("text.mp4", b"This is no video.\n" * 100),
        ("zeros.bin", bytes(100_000)),
        ("noise.mp4", np.random.default_rng(7).bytes(100_000)),
        ("page.html", b"<html><body>404</body></html>"),
        ("list.m3u8", b"#EXTM3U\n#EXTINF:1,\n/etc/hostname\n"),
        ("list.mp4", b"ffconcat version 1.0\nfile 'video.mp4'\n"),
        ("session.sdp", b"v=0\no=- 0 0 IN IP4 127.0.0.1\ns=x\nt=0 0\nm=video 5004 RTP/AVP 96\n"),
        ("picture.png", b"\x89PNG\r\n\x1a\n" + bytes(100)),
    ],
)
async def test_bytes_that_are_no_video_are_unreadable(
    name: str, content: bytes, tmp_path: Path, sandbox: Sandbox
) -> None:
    assert isinstance(await failure_of(sandbox, made(tmp_path / name, content)), failures.VideoUnreadable)


async def test_a_file_with_sound_alone_has_no_picture(tmp_path: Path, sandbox: Sandbox) -> None:
    path = tmp_path / "sound.mp4"
    with av.open(str(path), "w") as container:
        stream = container.add_stream("aac", rate=48000)
        frame = av.AudioFrame.from_ndarray(np.zeros((1, 1024), np.float32), format="fltp", layout="mono")
        frame.sample_rate = 48000
        container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    assert isinstance(await failure_of(sandbox, path), failures.VideoHasNoPicture)


async def test_a_file_cut_off_before_its_index_is_unreadable(tmp_path: Path, clip: MakeClip, sandbox: Sandbox) -> None:
    whole = clip(Recipe()).read_bytes()
    assert isinstance(
        await failure_of(sandbox, made(tmp_path / "cut.mp4", whole[: len(whole) // 2])), failures.VideoUnreadable
    )


async def test_the_name_of_a_file_means_nothing(tmp_path: Path, clip: MakeClip, sandbox: Sandbox) -> None:
    for name in ("clip", "clip.txt", "clip.m3u8", "frame%03d.png", "-", "pipe:0.mp4"):
        taken = await sandbox.sample(made(tmp_path / name, clip(Recipe()).read_bytes()), SamplingPlan())
        assert len(taken.frames) == 8


@pytest.mark.parametrize(
    "limits",
    [
        SandboxLimits(workers=1, max_file_bytes=1000),
        SandboxLimits(workers=1, max_pixels=96 * 64 - 1),
        SandboxLimits(workers=1, max_duration_seconds=2.3),
        SandboxLimits(workers=1, max_frames=59),
        SandboxLimits(workers=1, max_output_bytes=96 * 64 * 3 * 8 - 1),
    ],
    ids=["bytes", "pixels", "duration", "frames", "output"],
)
@pytest.mark.parametrize("suffix", ["mp4", "mkv", "ts"])
async def test_a_video_over_a_limit_is_too_large(limits: SandboxLimits, suffix: str, clip: MakeClip) -> None:
    async with running_sandbox(limits) as sandbox:
        assert isinstance(await failure_of(sandbox, clip(Recipe(suffix=suffix))), failures.VideoTooLarge)


async def test_frames_beyond_the_end_of_a_cut_file_are_not_counted_even_if_none_is_wanted(
    tmp_path: Path, clip: MakeClip, sandbox: Sandbox
) -> None:
    whole = clip(Recipe(muxer_options=(("movflags", "faststart"),))).read_bytes()
    path = made(tmp_path / "cut.mp4", whole[: 2 * len(whole) // 3])
    taken = await sandbox.sample(path, SamplingPlan(sampler="notebook", frames=1))
    assert "truncated" in [warning.code for warning in taken.manifest.warnings]
    assert taken.manifest.video.frame_count is not None and taken.manifest.video.frame_count < 60

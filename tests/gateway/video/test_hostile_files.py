"""Files made to harm: each costs its own caller one clear failure, or nothing at all."""

from __future__ import annotations

import asyncio
import os
import random
import re
import struct
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest
from av.video.stream import VideoStream
from video_clips import Recipe

from gateway.video.plan import SamplingPlan
from gateway.video.sandbox import Sandbox, SandboxLimits, running_sandbox
from vidtomusictags.rpc import failures

MakeClip = Callable[[Recipe], Path]
pytestmark = pytest.mark.alone  # it bounds what seconds of decoding cost

SMALL = Recipe(frames=24, gop=8, width=64, height=48)


async def outcome_of(sandbox: Sandbox, path: Path) -> str:
    """The name of the failure, or "sampled". Any other exception is a fault of ours."""
    try:
        await sandbox.sample(path, SamplingPlan(frames=4, short_side_pixels=32))
    except failures.Failure as failure:
        return type(failure).__name__
    return "sampled"


def gif(width: int, height: int, frames: int) -> bytes:
    """A GIF of that canvas whose frames are one pixel each: a decompression bomb of a few bytes a frame."""
    screen = b"GIF89a" + struct.pack("<HHBBB", width, height, 0x80, 0, 0) + b"\0\0\0\xff\xff\xff"
    frame = b"\x21\xf9\x04\0\x02\0\0\0" + b"\x2c\0\0\0\0\x01\0\x01\0\0" + b"\x02\x02\x44\x01\0"
    return screen + frame * frames + b";"


def patched(data: bytes, atom: bytes, offset: int, value: bytes) -> bytes:
    """The file with bytes after the name of its last such atom replaced: the first "avc1" is a brand."""
    start = data.rindex(atom) + 4 + offset
    return data[:start] + value + data[start + len(value) :]


@pytest.mark.parametrize("width, height, frames", [(16200, 16200, 1), (8000, 8000, 2000), (65535, 65535, 1)])
async def test_a_picture_larger_than_the_limit_is_refused_before_it_is_decoded(
    width: int, height: int, frames: int, tmp_path: Path, sandbox: Sandbox
) -> None:
    path = tmp_path / "bomb.gif"
    path.write_bytes(gif(width, height, frames))
    began = time.monotonic()
    assert await outcome_of(sandbox, path) == "VideoTooLarge"
    assert time.monotonic() - began < 1.0


async def test_a_bomb_within_the_picture_limit_runs_into_the_time_limit(tmp_path: Path) -> None:
    path = tmp_path / "bomb.gif"
    path.write_bytes(gif(5000, 5000, 20_000))
    async with running_sandbox(SandboxLimits(workers=1, wall_seconds=1.0)) as sandbox:
        began = time.monotonic()
        with pytest.raises(failures.DecodeTimeout):
            await sandbox.sample(path, SamplingPlan(frames=4, short_side_pixels=32))
        assert time.monotonic() - began < 2.0


@pytest.mark.parametrize(
    "atom, offset, value, outcomes",
    [
        (b"stsz", 8, struct.pack(">I", 20_000_000), {"VideoTooLarge", "VideoUnreadable"}),
        (b"stsz", 8, struct.pack(">I", 0xFFFFFFFF), {"VideoTooLarge", "VideoUnreadable"}),
        (b"stsz", 4, struct.pack(">I", 0x7FFFFFFF), {"VideoTooLarge", "VideoUnreadable", "sampled"}),
        (b"stts", 8, struct.pack(">I", 0xFFFFFFFF), {"VideoTooLarge", "VideoUnreadable", "sampled"}),
        (b"stts", 12, struct.pack(">I", 0), {"VideoTooLarge", "VideoUnreadable", "sampled"}),
        (b"stts", 12, struct.pack(">I", 0x7FFFFFFF), {"VideoTooLarge", "VideoUnreadable", "sampled"}),
        (b"mdhd", 12, struct.pack(">I", 0), {"VideoTooLarge", "VideoUnreadable", "sampled"}),
        (b"mdhd", 12, struct.pack(">I", 0xFFFFFFFF), {"VideoTooLarge", "VideoUnreadable", "sampled"}),
        (b"avc1", 24, struct.pack(">HH", 0xFFFF, 0xFFFF), {"VideoTooLarge"}),
        (b"stco", 8, struct.pack(">I", 0xFFFFFFF0), {"VideoUnreadable", "sampled"}),
        (b"moov", -8, struct.pack(">I", 0x7FFFFFFF), {"VideoUnreadable", "sampled"}),
        (b"trak", -8, struct.pack(">I", 0x10), {"VideoUnreadable", "VideoHasNoPicture"}),
    ],
)
async def test_a_header_that_lies_ends_in_one_clear_failure_or_in_what_is_truly_there(
    atom: bytes, offset: int, value: bytes, outcomes: set[str], clip: MakeClip, tmp_path: Path, sandbox: Sandbox
) -> None:
    path = tmp_path / "lies.mp4"
    path.write_bytes(patched(clip(SMALL).read_bytes(), atom, offset, value))
    began = time.monotonic()
    assert await outcome_of(sandbox, path) in outcomes
    assert time.monotonic() - began < 5.0


async def test_a_playlist_opens_no_other_file(tmp_path: Path, clip: MakeClip, sandbox: Sandbox) -> None:
    victim = clip(replace(SMALL, suffix="ts"))
    (tmp_path / "video.ts").write_bytes(victim.read_bytes())
    for name, text in {
        "list.m3u8": "#EXTM3U\n#EXT-X-TARGETDURATION:10\n#EXTINF:10,\nvideo.ts\n#EXT-X-ENDLIST\n",
        "absolute.mp4": f"#EXTM3U\n#EXT-X-TARGETDURATION:10\n#EXTINF:10,\nfile://{tmp_path}/video.ts\n#EXT-X-ENDLIST\n",
        "remote.m3u8": "#EXTM3U\n#EXT-X-TARGETDURATION:10\n#EXTINF:10,\nhttp://127.0.0.1:9/x.ts\n#EXT-X-ENDLIST\n",
        "list.ffconcat": f"ffconcat version 1.0\nfile '{tmp_path}/video.ts'\n",
        "manifest.mpd": "<?xml version='1.0'?><MPD xmlns='urn:mpeg:dash:schema:mpd:2011'></MPD>",
        "session.sdp": "v=0\no=- 0 0 IN IP4 127.0.0.1\ns=x\nc=IN IP4 127.0.0.1\nt=0 0\nm=video 5004 RTP/AVP 96\n",
    }.items():
        (tmp_path / name).write_text(text)
        assert await outcome_of(sandbox, tmp_path / name) == "VideoUnreadable", name


async def test_countless_tiny_frames_in_one_gop_run_into_the_time_limit(tmp_path: Path) -> None:
    path = tmp_path / "endless.mp4"
    with av.open(str(path), "w") as container:
        stream = container.add_stream("mpeg4", rate=25)
        assert isinstance(stream, VideoStream)
        stream.width, stream.height, stream.pix_fmt = 1024, 1024, "yuv420p"
        stream.codec_context.gop_size = 10
        packets = []
        for number in range(2):
            frame = av.VideoFrame.from_ndarray(np.zeros((1536, 1024), np.uint8), format="yuv420p")
            frame.pts, frame.time_base = number, Fraction(1, 25)
            packets += stream.encode(frame)
        packets += stream.encode(None)
        container.mux(packets[0])
        predicted = bytes(packets[1])
        assert len(predicted) < 1000
        for number in range(1, 30_000):
            packet = av.Packet(predicted)
            packet.stream, packet.time_base = stream, Fraction(1, 25)
            packet.pts = packet.dts = number
            container.mux(packet)
    async with running_sandbox(SandboxLimits(workers=1, wall_seconds=0.5)) as sandbox:
        with pytest.raises(failures.DecodeTimeout):
            await sandbox.sample(path, SamplingPlan(frames=4, short_side_pixels=32))


@pytest.mark.parametrize("suffix", ["mp4", "mkv", "ts"])
async def test_a_file_cut_at_any_place_gives_frames_or_one_clear_failure(
    suffix: str, clip: MakeClip, tmp_path: Path, sandbox: Sandbox
) -> None:
    options = (("movflags", "faststart"),) if suffix == "mp4" else ()
    data = clip(replace(SMALL, suffix=suffix, muxer_options=options)).read_bytes()
    outcomes = Counter[str]()
    for part in range(1, 20):
        path = tmp_path / f"{part}.{suffix}"
        path.write_bytes(data[: len(data) * part // 20])
        outcomes[await outcome_of(sandbox, path)] += 1
    assert set(outcomes) <= {"sampled", "VideoUnreadable", "VideoHasNoPicture"}
    assert outcomes["sampled"] >= 10


def mutated(data: bytes, chance: random.Random) -> bytes:
    """The file with one to eight places changed in the ways that break parsers."""
    bad = bytearray(data)
    for _ in range(chance.randint(1, 8)):
        # Headers are at the ends of most containers; aim there half the time.
        near = chance.choice([len(bad) - 1, min(600, len(bad) - 1)])
        at = chance.randint(0, near) if chance.random() < 0.8 else len(bad) - 1 - chance.randint(0, near)
        match chance.randrange(6):
            case 0:
                bad[at] ^= 1 << chance.randrange(8)
            case 1:
                bad[at : at + 4] = chance.choice([b"\xff\xff\xff\xff", b"\0\0\0\0", b"\x7f\xff\xff\xff", b"\0\0\0\1"])
            case 2:
                bad[at : at + chance.randint(1, 64)] = chance.randbytes(chance.randint(1, 64))
            case 3:
                del bad[at : at + chance.randint(1, 400)]
            case 4:
                bad[at:at] = bad[max(0, at - 200) : at]
            case _:
                bad[at : at + chance.randint(1, 200)] = bytes(chance.randint(1, 200))
        if not bad:
            break
    return bytes(bad)


def resident_kib(pid: int) -> int:
    return int(re.findall(r"VmRSS:\s+(\d+)", Path(f"/proc/{pid}/status").read_text())[0])


async def test_a_thousand_mutated_files_crash_nothing_hang_nothing_and_leave_memory_flat(
    clip: MakeClip, tmp_path: Path
) -> None:
    seeds = [
        clip(replace(SMALL, codec=codec, suffix=suffix, pixel_format=form)).read_bytes()
        for codec, suffix, form in [
            ("libx264", "mp4", "yuv420p"),
            ("libx264", "mkv", "yuv420p"),
            ("libx264", "ts", "yuv420p"),
            ("libx264", "flv", "yuv420p"),
            ("libx265", "mp4", "yuv420p"),
            ("libvpx-vp9", "webm", "yuv420p"),
            ("libsvtav1", "mp4", "yuv420p"),
            ("mpeg4", "avi", "yuv420p"),
            ("mpeg2video", "ts", "yuv420p"),
            ("gif", "gif", "rgb8"),
        ]
    ]
    limits = SandboxLimits(workers=2, wall_seconds=3.0, max_pixels=1 << 20, max_jobs_per_worker=100_000)
    async with running_sandbox(limits) as sandbox:
        outcomes = Counter[str]()
        resident = {}

        async def run(numbers: range) -> None:
            for number in numbers:
                path = tmp_path / str(number % 16)
                path.write_bytes(mutated(seeds[number % len(seeds)], random.Random(number)))
                outcomes[await outcome_of(sandbox, path)] += 1

        async def run_all(start: int, stop: int) -> None:
            await asyncio.gather(run(range(start, stop, 2)), run(range(start + 1, stop, 2)))
            workers = [resident_kib(worker.pid) for worker in sandbox.workers]
            resident[stop] = {"parent": resident_kib(os.getpid()), "worker": max(workers)}

        await run_all(0, 300)
        await run_all(300, 1000)
        print(f"outcomes {dict(outcomes)}; resident KiB after 300 and 1000 files {resident}")
        assert sum(outcomes.values()) == 1000
        assert outcomes["sampled"] > 100
        assert outcomes["VideoUnreadable"] > 50
        assert outcomes["DecoderDied"] == 0
        assert resident[1000]["parent"] - resident[300]["parent"] < 8 * 1024
        assert resident[1000]["worker"] - resident[300]["worker"] < 32 * 1024

"""Videos of which not every byte is there when sampling begins."""

from __future__ import annotations

import asyncio
import os
import time
from collections.abc import Callable
from fractions import Fraction
from pathlib import Path

import pytest
from video_clips import Recipe

from gateway.video.extents import Extents
from gateway.video.plan import Encoding, SamplingPlan
from gateway.video.sandbox import Sandbox, SandboxLimits, running_sandbox
from gateway.video.supplying import SupplyEnded, WantMalformed, supplied
from vidtomusictags.rpc import failures

MakeClip = Callable[[Recipe], Path]

FRONT_INDEX = (("movflags", "faststart"),)
# Large enough that one read of FFmpeg's, 32 KiB, is a small part of it.
LARGE = Recipe(frames=240, width=192, height=128, options=(("crf", "4"),), muxer_options=FRONT_INDEX)
RECIPES = {
    "index in front": Recipe(muxer_options=FRONT_INDEX),
    "index at the end": Recipe(),
    "variable rate": Recipe(pts=lambda number: number * 2 + number // 7, time_base=Fraction(1, 100)),
    "mkv": Recipe(suffix="mkv"),
    "webm": Recipe(suffix="webm", codec="libvpx-vp9"),
    "transport stream": Recipe(suffix="ts"),
    "avi": Recipe(suffix="avi", codec="mpeg4"),
}
BLOCK = 1000


class Trickling:
    """A copy of a file that is filled piece by piece: in the order of the file, or where it is asked for."""

    def __init__(self, original: Path, copy: Path, *, in_order: bool = False) -> None:
        self.data = original.read_bytes()
        self.path = copy
        self.path.write_bytes(b"")
        self.size_bytes = len(self.data)
        self.in_order = in_order
        self.there = Extents()
        self.failure: Exception | None = None
        self.wants: list[tuple[int, int]] = []
        self.asked = asyncio.Event()
        self._changed = asyncio.Condition()

    async def until_there(self, start: int, end: int) -> int:
        self.wants.append((start, end))
        self.asked.set()
        if not self.in_order:
            await asyncio.sleep(0)
            await self.fill(start // BLOCK * BLOCK, end)
        async with self._changed:
            await self._changed.wait_for(lambda: self.failure or self.there.covers(start, end))
        if self.failure:
            raise self.failure
        return self.there.end_from(start)

    async def fill(self, start: int, end: int) -> None:
        with self.path.open("r+b") as file:
            file.seek(start)
            file.write(self.data[start:end])
        async with self._changed:
            self.there.add(start, end)
            self._changed.notify_all()

    async def break_off(self, failure: Exception) -> None:
        async with self._changed:
            self.failure = failure
            self._changed.notify_all()


@pytest.mark.parametrize("sampler", ["uniform", "snap", "shots"])
@pytest.mark.parametrize("kind", RECIPES)
async def test_a_video_fetched_in_pieces_gives_the_very_same(
    kind: str, sampler: str, clip: MakeClip, sandbox: Sandbox, tmp_path: Path
) -> None:
    path, plan = clip(RECIPES[kind]), SamplingPlan(sampler=sampler, encoding=Encoding.RGB24)
    video = Trickling(path, tmp_path / "copy")
    whole, pieces = await sandbox.sample(path, plan), await sandbox.sample(video, plan)
    assert pieces.frames == whole.frames
    assert pieces.manifest == whole.manifest


@pytest.mark.parametrize("kind", RECIPES)
async def test_a_video_that_arrives_from_its_start_gives_the_very_same(
    kind: str, clip: MakeClip, sandbox: Sandbox, tmp_path: Path
) -> None:
    path, plan = clip(RECIPES[kind]), SamplingPlan(encoding=Encoding.RGB24)
    video = Trickling(path, tmp_path / "copy", in_order=True)
    sampling = asyncio.create_task(sandbox.sample(video, plan))
    for start in range(0, video.size_bytes, 3 * BLOCK):
        await video.fill(start, min(start + 3 * BLOCK, video.size_bytes))
    pieces, whole = await sampling, await sandbox.sample(path, plan)
    assert pieces.frames == whole.frames
    assert pieces.manifest == whole.manifest


async def test_what_the_frames_do_not_need_is_not_asked_for(clip: MakeClip, sandbox: Sandbox, tmp_path: Path) -> None:
    video = Trickling(clip(LARGE), tmp_path / "copy")
    await sandbox.sample(video, SamplingPlan(frames=2))
    missing = sum(not video.there.covers(start, start + 1) for start in range(0, video.size_bytes, BLOCK))
    assert missing > video.size_bytes / BLOCK / 2


async def test_frames_are_read_before_the_last_bytes_are_there(
    clip: MakeClip, sandbox: Sandbox, tmp_path: Path
) -> None:
    video = Trickling(clip(LARGE), tmp_path / "copy", in_order=True)
    done = asyncio.Queue[int]()
    sampling = asyncio.create_task(
        sandbox.sample(video, SamplingPlan(), on_progress=lambda number, _: done.put_nowait(number))
    )
    await video.fill(0, video.size_bytes * 4 // 5)
    async with asyncio.timeout(30):
        while await done.get() < 5:
            pass
    assert not sampling.done()
    await video.fill(video.size_bytes * 4 // 5, video.size_bytes)
    assert len((await sampling).frames) == 8


async def test_bytes_that_never_come_end_the_job_by_their_reason_and_free_the_worker(
    clip: MakeClip, tmp_path: Path
) -> None:
    async with running_sandbox(SandboxLimits(workers=1)) as sandbox:
        pid = sandbox.workers[0].pid
        video = Trickling(clip(Recipe(muxer_options=FRONT_INDEX)), tmp_path / "copy", in_order=True)
        sampling = asyncio.create_task(sandbox.sample(video, SamplingPlan()))
        await video.fill(0, video.size_bytes // 2)
        await video.asked.wait()
        began = time.monotonic()
        await video.break_off(failures.InputTruncated("The upload was cut."))
        with pytest.raises(failures.InputTruncated, match="cut"):
            await sampling
        assert time.monotonic() - began < 1
        assert await sandbox.sample(clip(Recipe()), SamplingPlan())
        assert sandbox.workers[0].pid == pid


async def test_a_missing_end_is_no_shorter_video(clip: MakeClip, sandbox: Sandbox, tmp_path: Path) -> None:
    """Of a file that breaks off, what is there is sampled; of one that is still to come, nothing may be made up."""
    video = Trickling(clip(Recipe(suffix="ts", frames=240)), tmp_path / "copy", in_order=True)
    await video.fill(0, video.size_bytes // 2)
    await video.break_off(failures.InputTruncated("The upload was cut."))
    with pytest.raises(failures.InputTruncated):
        await sandbox.sample(video, SamplingPlan())


async def test_waiting_for_bytes_is_no_decoding_time(clip: MakeClip, tmp_path: Path) -> None:
    async with running_sandbox(SandboxLimits(workers=1, wall_seconds=1.0)) as sandbox:
        video = Trickling(clip(Recipe(muxer_options=FRONT_INDEX)), tmp_path / "copy", in_order=True)
        sampling = asyncio.create_task(sandbox.sample(video, SamplingPlan(short_side_pixels=16)))
        await video.asked.wait()
        await asyncio.sleep(1.3)
        assert not sampling.done()
        await video.fill(0, video.size_bytes)
        assert await sampling


async def test_the_callers_own_time_passes_while_bytes_are_waited_for(
    clip: MakeClip, sandbox: Sandbox, tmp_path: Path
) -> None:
    video = Trickling(clip(Recipe()), tmp_path / "copy", in_order=True)
    with pytest.raises(failures.DecodeTimeout):
        await sandbox.sample(video, SamplingPlan(), timeout_seconds=0.5)


class TestGivingWay:
    """An upload that is sampled while it arrives holds a worker only as long as nobody else needs it."""

    async def test_a_video_that_is_there_goes_before_one_that_waits_for_bytes(
        self, clip: MakeClip, tmp_path: Path
    ) -> None:
        async with running_sandbox(SandboxLimits(workers=1)) as sandbox:
            pid = sandbox.workers[0].pid
            video = Trickling(clip(Recipe(muxer_options=FRONT_INDEX)), tmp_path / "copy", in_order=True)
            early = asyncio.create_task(sandbox.sample_meanwhile(video, SamplingPlan()))
            await video.asked.wait()
            assert await sandbox.sample(clip(Recipe()), SamplingPlan(), timeout_seconds=30)
            assert await early is None
            assert sandbox.workers[0].pid == pid

    async def test_without_a_free_worker_nothing_begins(self, clip: MakeClip, tmp_path: Path) -> None:
        async with running_sandbox(SandboxLimits(workers=1)) as sandbox:
            first, second = (
                Trickling(clip(Recipe(muxer_options=FRONT_INDEX)), tmp_path / name, in_order=True) for name in "ab"
            )
            early = asyncio.create_task(sandbox.sample_meanwhile(first, SamplingPlan()))
            await first.asked.wait()
            assert await sandbox.sample_meanwhile(second, SamplingPlan()) is None
            await first.fill(0, first.size_bytes)
            assert await early

    async def test_undisturbed_it_gives_what_it_would_have_given_later(
        self, clip: MakeClip, sandbox: Sandbox, tmp_path: Path
    ) -> None:
        path = clip(Recipe(muxer_options=FRONT_INDEX))
        video = Trickling(path, tmp_path / "copy", in_order=True)
        early = asyncio.create_task(sandbox.sample_meanwhile(video, SamplingPlan()))
        await video.fill(0, video.size_bytes)
        clip_early = await early
        assert clip_early is not None
        assert clip_early == await sandbox.sample(path, SamplingPlan())


class TestSupplying:
    """What a worker that was taken over could ask."""

    @pytest.mark.parametrize(
        "message",
        [
            b"text",
            b"[]",
            b"{}",
            b"[" * 4000,
            b'{"want": 5}',
            b'{"want": [0]}',
            b'{"want": [5, 5]}',
            b'{"want": [-1, 5]}',
            b'{"want": [0, 1000000]}',
            b'{"want": [0, Infinity]}',
            b'{"want": [0, NaN]}',
        ],
    )
    async def test_what_cannot_be_asked_for_ends_the_job(self, message: bytes, clip: MakeClip, tmp_path: Path) -> None:
        async def run(pipe: int) -> dict[str, object]:
            os.write(pipe, message)
            return await asyncio.sleep(60, {})

        with pytest.raises(WantMalformed):
            await supplied(run, Trickling(clip(Recipe()), tmp_path / "copy"), lambda waiting: None)

    @pytest.mark.parametrize("answer", [{"sampled": {}}, {"failure": ["VideoUnreadable", "No.", ""]}, {"gone": True}])
    async def test_no_answer_is_believed_of_a_video_with_a_hole(
        self, answer: dict[str, object], clip: MakeClip, tmp_path: Path
    ) -> None:
        video = Trickling(clip(Recipe()), tmp_path / "copy", in_order=True)
        video.failure = failures.InputTruncated("The upload was cut.")

        async def run(pipe: int) -> dict[str, object]:
            os.write(pipe, b'{"want": [0, 5]}')
            while await asyncio.to_thread(os.read, pipe, 100):
                pass
            return answer

        with pytest.raises(SupplyEnded) as ended:
            await supplied(run, video, lambda waiting: None)
        assert ended.value.__cause__ is video.failure
        assert ended.value.worker_is_free


def test_stretches_that_touch_become_one() -> None:
    there = Extents()
    for start, end in [(10, 20), (30, 40), (20, 25), (0, 5), (5, 10)]:
        there.add(start, end)
    assert [there.end_from(position) for position in (0, 24, 25, 29, 30, 39, 40)] == [25, 25, 25, 29, 40, 40, 40]
    assert there.covers(3, 25) and not there.covers(3, 26)
    assert [there.next_start(position) for position in (0, 1, 30, 31)] == [0, 30, 30, None]
    there.add(0, 100)
    assert there.end_from(0) == 100

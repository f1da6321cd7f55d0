"""Reading with several threads gives what one thread gives, whichever way the work is shared."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from video_clips import Recipe, encode, sequentially

from gateway.video import reading, sampling
from gateway.video.frame_table import FrameTable
from gateway.video.gop import TableMistaken, Tally
from gateway.video.limits import SandboxLimits
from gateway.video.opening import OpenVideo
from gateway.video.plan import Encoding, SamplingPlan
from gateway.video.reading import FrameReader
from gateway.video.sampling import Sampled, sample_video
from gateway.video.whole_file import WholeSource

MakeClip = Callable[[Recipe], Path]

PLAN = SamplingPlan(frames=8, encoding=Encoding.RGB24)


class Kept:
    """A sink that keeps the pictures in a dictionary."""

    def __init__(self) -> None:
        self.pictures: dict[int, bytes] = {}

    def clear(self) -> None:
        self.pictures.clear()

    def put(self, index: int, data: bytes | memoryview) -> None:
        self.pictures[index] = bytes(data)


def sampled(
    path: Path, threads: int, plan: SamplingPlan = PLAN, limits: SandboxLimits | None = None
) -> tuple[Sampled, dict[int, bytes]]:
    sink = Kept()
    with path.open("rb") as file:
        source = WholeSource(file.fileno())
        outcome = sample_video(source, plan, limits or SandboxLimits(), sink, lambda done, total: None, threads)
    return outcome, sink.pictures


@pytest.fixture(autouse=True)
def threads_for_small_clips_too(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reading, "_WORTH_THREADS_PIXELS", 0)


@pytest.mark.parametrize("threads", [2, 5])
@pytest.mark.parametrize("gop", [1, 12, 300])
@pytest.mark.parametrize("codec, suffix", [("libx264", "mp4"), ("libx265", "ts"), ("libsvtav1", "webm")])
def test_every_frame_is_the_same_with_any_number_of_threads(
    codec: str, suffix: str, gop: int, threads: int, clip: MakeClip
) -> None:
    path = clip(Recipe(codec=codec, suffix=suffix, gop=gop))
    reference = sequentially(path)
    outcome, pictures = sampled(path, threads)
    assert [frame.index for frame in outcome.manifest.frames] == [3, 11, 18, 26, 33, 41, 48, 56]
    for frame in outcome.manifest.frames:
        assert pictures[frame.index] == np.asarray(reference[frame.index].to_ndarray(format="rgb24")).tobytes()


@pytest.mark.parametrize("suffix", ["mp4", "mkv", "ts", "flv"])
def test_every_container_gives_the_same_frames_to_one_thread_and_to_two(suffix: str, clip: MakeClip) -> None:
    path = clip(Recipe(suffix=suffix))
    by_one, pictures = sampled(path, 1)
    by_two, same_pictures = sampled(path, 2)
    assert same_pictures == pictures
    assert by_two.manifest.frames == by_one.manifest.frames


def test_the_first_frame_in_time_gives_the_size_whichever_thread_is_first(tmp_path: Path) -> None:
    parts = [
        encode(tmp_path / f"{width}.ts", Recipe(suffix="ts", frames=20, width=width, height=height, pts=at))
        for width, height, at in [(96, 64, lambda n: n), (128, 96, lambda n: n + 20)]
    ]
    joined = tmp_path / "joined.ts"
    joined.write_bytes(b"".join(part.read_bytes() for part in parts))
    outcome, _ = sampled(joined, 2)
    assert (outcome.width, outcome.height) == (96, 64)
    assert "mixed_sizes" in [warning.code for warning in outcome.manifest.warnings]


def test_a_table_that_is_mistaken_is_noticed_in_any_thread(clip: MakeClip, monkeypatch: pytest.MonkeyPatch) -> None:
    path = clip(Recipe(frames=120))
    true_groups = FrameTable.groups_of
    refused: list[object] = []

    def first_time_mistaken(table: FrameTable, indices: list[int]) -> object:
        if not refused:
            refused.append(table.kind)
            raise TableMistaken
        return true_groups(table, indices)

    monkeypatch.setattr(FrameTable, "groups_of", first_time_mistaken)
    outcome, pictures = sampled(path, 2)
    assert outcome.manifest.effort.table == "packets"
    assert "table_mistaken" in [warning.code for warning in outcome.manifest.warnings]
    assert len(pictures) == 8


@pytest.mark.parametrize("pictures, expected", [(300, 5), (1, 1)])
def test_memory_that_a_worker_lacks_is_not_spent_on_threads(
    pictures: int, expected: int, clip: MakeClip, monkeypatch: pytest.MonkeyPatch
) -> None:
    made: list[int] = []

    class Noting(FrameReader):
        def __init__(self, video: OpenVideo, table: FrameTable, tally: Tally, threads: int = 1) -> None:
            made.append(threads)
            super().__init__(video, table, tally, threads)

    monkeypatch.setattr(sampling, "FrameReader", Noting)
    limits = SandboxLimits(address_space_bytes=pictures * 3 * 96 * 64)
    sampled(clip(Recipe()), 5, SamplingPlan(), limits)
    assert made == [expected]

"""Which frames the samplers choose, on tables written by hand."""

from __future__ import annotations

from collections.abc import Iterable
from fractions import Fraction

import numpy as np
import pytest

from gateway.video.frame_table import FrameTable, Span, TableKind
from gateway.video.samplers import SAMPLERS, notebook, sampler_named, uniform
from gateway.video.shots import Thumbnail
from vidtomusictags.rpc import failures


def table(stamps: list[int], end: int) -> FrameTable:
    return FrameTable(TableKind.PACKETS, Fraction(1, 100), stamps, end)


def blind(indices: Iterable[int]) -> dict[int, Thumbnail]:
    raise AssertionError("this sampler needs no look at the frames")


def whole(frames: FrameTable) -> Span:
    return Span(Fraction(frames.start), Fraction(frames.end))


def test_uniform_takes_the_frame_on_display_at_the_middle_of_each_span() -> None:
    frames = table([0, 10, 20, 90], end=100)
    assert [pick.index for pick in uniform(frames, whole(frames), 2, blind)] == [2, 2][:1]
    assert [pick.index for pick in uniform(frames, whole(frames), 5, blind)] == [1, 2, 3]
    assert [pick.target for pick in uniform(frames, whole(frames), 5, blind)] == [10, 30, 90]


def test_uniform_counts_time_from_the_first_frame_whatever_its_timestamp() -> None:
    for start in (-500, 0, 7000):
        frames = table([start + 10 * i for i in range(40)], end=start + 400)
        assert [pick.index for pick in uniform(frames, whole(frames), 8, blind)] == [2, 7, 12, 17, 22, 27, 32, 37]


@pytest.mark.parametrize("count", [1, 3, 7, 8, 24, 100])
def test_notebook_counts_as_numpy_does_and_stays_within_the_clip(count: int) -> None:
    for total in (1, 2, 23, 100, 250, 1433):
        frames = table(list(range(total)), end=total)
        expected = [int(i) for i in np.arange(0, total, total / count).astype(int)]
        assert [pick.index for pick in notebook(frames, whole(frames), count, blind)] == sorted(
            {index for index in expected if index < total}
        )


def test_a_span_between_two_frames_holds_the_one_on_display() -> None:
    frames = table([0, 100, 200], end=300)
    assert frames.frames_of(Span(Fraction(110), Fraction(190))) == range(1, 2)
    assert frames.frames_of(Span(Fraction(100), Fraction(201))) == range(1, 3)


def test_an_unknown_sampler_is_refused_with_the_names_that_exist() -> None:
    with pytest.raises(failures.UnknownSampler) as refused:
        sampler_named("random")
    assert refused.value.field == "sampler"
    assert all(name in refused.value.message for name in SAMPLERS)

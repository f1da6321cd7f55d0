"""The whole engine on a real film: an animated rabbit that stretches in a green meadow."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

import av
import numpy as np
import pytest
from numpy.typing import NDArray

from captioner_service.clip import Caption, Clip, StatementKind
from captioner_service.engines.embedded import EmbeddedEngine

Frames = NDArray[np.uint8]
MakeClip = Callable[[Frames, Sequence[float]], Clip]

FILM = Path(__file__).parents[4] / "examples" / "big-buck-bunny.mp4"


@pytest.fixture(scope="module")
def film() -> tuple[Frames, list[float]]:
    """All 132 frames at the size that the engine asks for, and their times."""
    with av.open(str(FILM)) as container:
        container.streams.video[0].thread_type = "AUTO"
        frames = list(container.decode(video=0))
    pictures = [frame.reformat(width=456, height=256, format="rgb24").to_ndarray() for frame in frames]
    return np.stack(pictures), [float(frame.time) for frame in frames]


@pytest.fixture(scope="module")
def sampled(engine: EmbeddedEngine, make_clip: MakeClip, film: tuple[Frames, list[float]]) -> Caption:
    """Of 8 frames, the middles of equal spans."""
    frames, times = film
    chosen = [(2 * index + 1) * len(frames) // 16 for index in range(8)]
    clip = make_clip(frames[chosen], [times[index] for index in chosen])
    return engine.caption([clip], lambda position, piece: None)[0]


def test_the_rabbit_is_an_animal_outdoors_in_nature(sampled: Caption) -> None:
    assert sampled.text.startswith(
        "The video appears to show an animal. The setting appears to be outdoors, in nature. The picture is"
    )


def test_the_meadow_is_green_and_colourful(sampled: Caption) -> None:
    assert "colourful; its main colours are green and grey." in sampled.text


def test_the_classifier_is_sure_of_the_animal_alone(sampled: Caption) -> None:
    certainties = {statement.kind: statement.certainty for statement in sampled.statements}
    assert 0.7 <= certainties[StatementKind.CONTENT] <= 0.9
    assert 0.5 <= certainties[StatementKind.SETTING] <= 0.7


def test_eight_frames_show_change_and_neither_camera_nor_pace(sampled: Caption) -> None:
    assert sampled.text.endswith("The picture changes noticeably between the 8 sampled frames, about 0.6 s apart.")


def test_frame_by_frame_the_camera_stands_still_in_one_shot(
    engine: EmbeddedEngine, make_clip: MakeClip, film: tuple[Frames, list[float]]
) -> None:
    frames, times = film
    text = engine.caption([make_clip(frames[:64], times[:64])], lambda position, piece: None)[0].text
    assert "The camera appears to stand still" in text
    assert "one continuous shot over the 2.5 s seen" in text

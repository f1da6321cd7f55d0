"""What may be said of movement, and what the spacing of the frames forbids to say."""

from __future__ import annotations

from dataclasses import replace

import pytest

from captioner_service.engines.embedded.camera import Camera
from captioner_service.engines.embedded.motion import Motion
from captioner_service.engines.embedded.motion_words import describe_motion

STILL = Camera(right=0.0, up=0.0, speed=0.0, zoom=0.0, subject=0.0, agreement=0.9)
DENSE = Motion(frames=64, span_seconds=2.5, all_close=True, gap_seconds=0.0, cuts=0, change=0.0, views=1, camera=STILL)
SPARSE = Motion(frames=8, span_seconds=9.1, all_close=False, gap_seconds=1.3, cuts=0, change=0.02, views=1, camera=None)


def said(motion: Motion | None) -> str:
    return " ".join(sentence.text for sentence in describe_motion(motion))


def test_of_a_single_frame_nothing_is_said() -> None:
    assert said(None) == ""


@pytest.mark.parametrize(
    ("camera", "words"),
    [
        (STILL, "appears to stand still"),
        (replace(STILL, right=0.3, speed=0.3), "pan or travel to the right"),
        (replace(STILL, right=-0.3, speed=0.3), "pan or travel to the left"),
        (replace(STILL, up=0.3, speed=0.3), "tilt or travel up"),
        (replace(STILL, up=-0.3, speed=0.3), "tilt or travel down"),
        (replace(STILL, zoom=0.3), "zoom in or move closer"),
        (replace(STILL, zoom=-0.3), "zoom out or move away"),
        (replace(STILL, right=0.02, speed=0.2), "move in changing directions"),
        (replace(STILL, right=0.02, speed=0.05), "move slightly"),
    ],
)
def test_the_camera_movement_is_hedged_and_has_a_direction(camera: Camera, words: str) -> None:
    assert words in said(replace(DENSE, camera=camera))


def test_the_camera_is_as_certain_as_points_agree() -> None:
    assert describe_motion(DENSE)[0].certainty == 0.9


@pytest.mark.parametrize(("speed", "words"), [(0.0, "little"), (0.1, "some"), (0.5, "fast")])
def test_movement_within_the_picture_has_three_degrees(speed: float, words: str) -> None:
    assert f"with {words} movement in the picture" in said(replace(DENSE, camera=replace(STILL, subject=speed)))


def test_close_frames_without_a_cut_appear_to_be_one_shot() -> None:
    assert "appears to be one continuous shot over the 2.5 s seen" in said(DENSE)


@pytest.mark.parametrize(
    ("cuts", "seconds", "words"),
    [
        (1, 2.5, "The picture cuts once in the 2.5 s seen."),
        (2, 2.5, "The picture cuts 2 times in the 2.5 s seen."),
        (3, 6.0, "a fast pace of cutting."),
        (1, 6.0, "a moderate pace of cutting."),
        (1, 12.0, "a slow pace of cutting."),
    ],
)
def test_a_pace_needs_a_stretch_of_time(cuts: int, seconds: float, words: str) -> None:
    assert words in said(replace(DENSE, cuts=cuts, span_seconds=seconds))


@pytest.mark.parametrize(
    ("change", "words"),
    [(0.001, "hardly changes"), (0.02, "changes a little"), (0.05, "changes noticeably"), (0.2, "changes a lot")],
)
def test_frames_far_apart_are_compared_and_no_more(change: float, words: str) -> None:
    text = said(replace(SPARSE, change=change))
    assert text == f"The picture {words} between the 8 sampled frames, about 1.3 s apart."


def test_different_views_are_not_called_cuts_when_frames_are_far_apart() -> None:
    text = said(replace(SPARSE, views=5))
    assert "at least 5 different views, by cuts or by a moving camera" in text
    assert "pace" not in text


def test_a_camera_seen_in_a_few_close_frames_is_said_with_that_limit() -> None:
    assert "as far as frames close in time show it" in said(replace(SPARSE, camera=STILL))

"""The words for measured light and colour."""

from __future__ import annotations

from dataclasses import replace

import pytest

from captioner_service.engines.embedded.faces import Faces
from captioner_service.engines.embedded.look import Look
from captioner_service.engines.embedded.look_words import describe_framing, describe_look

MIDDLING = Look(
    colours=(("green", 0.6), ("blue", 0.4)),
    light=0.5,
    darkest=0.5,
    brightest=0.5,
    contrast=0.2,
    colourfulness=40,
    warmth=-0.4,
)


def said(**changes: object) -> str:
    return " ".join(sentence.text for sentence in describe_look(replace(MIDDLING, **changes)))  # type: ignore[arg-type]


def test_a_middling_picture_is_called_so() -> None:
    assert said() == "The picture is medium-lit and moderately colourful; its main colours are green and blue."


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"light": 0.1}, "very dark"),
        ({"light": 0.2}, "is dark"),
        ({"light": 0.8}, "bright"),
        ({"colourfulness": 5}, "nearly colourless"),
        ({"colourfulness": 20}, "muted"),
        ({"colourfulness": 70}, "and colourful"),
        ({"colourfulness": 100}, "very colourful"),
        ({"warmth": 0.1}, "warm-toned"),
        ({"warmth": -0.9}, "cool-toned"),
        ({"contrast": 0.3}, "high in contrast"),
        ({"contrast": 0.05}, "low in contrast"),
    ],
)
def test_what_stands_out_is_said(changes: dict[str, float], words: str) -> None:
    assert words in said(**changes)
    assert words not in said()


def test_shades_of_a_colour_go_by_its_plain_name() -> None:
    colours = (("grey", 0.4), ("light green", 0.25), ("dark green", 0.2), ("red", 0.15))
    assert "its main colours are green, grey and red." in said(colours=colours)


def test_a_colour_of_one_shade_keeps_the_name_of_the_shade() -> None:
    assert "its main colours are dark blue and white." in said(
        colours=(("dark blue", 0.6), ("white", 0.3), ("blue", 0.1))
    )


def test_a_picture_of_many_small_colours_has_one_main_colour() -> None:
    colours = tuple((name, 0.1) for name in ("red", "green", "teal", "pink"))
    assert "its main colour is red." in said(colours=colours)


def test_light_that_differs_much_between_frames_is_said() -> None:
    assert "The picture varies from very dark to bright." in said(darkest=0.1, brightest=0.8)
    assert "varies" not in said(darkest=0.28, brightest=0.32)


@pytest.mark.parametrize(("height", "size"), [(0.5, "a close-up"), (0.2, "a medium shot"), (0.1, "a wide shot")])
def test_shot_size_is_judged_by_faces(height: float, size: str) -> None:
    (sentence,) = describe_framing(Faces((1, 1, 1, 0), height))
    assert f"that of {size}: a face takes about {round(100 * height)} %" in sentence.text
    assert sentence.certainty == 0.75


def test_without_a_face_nothing_is_said_of_shot_size() -> None:
    assert describe_framing(Faces((0, 1, 0, 0), 0.5)) == []

"""What is stated, what is hedged and what is not said about recognised things, tested without a picture."""

from __future__ import annotations

import pytest

from captioner_service.clip import StatementKind
from captioner_service.engines.embedded.content_words import describe_content
from captioner_service.engines.embedded.faces import Faces
from captioner_service.engines.embedded.groups import Place
from captioner_service.engines.embedded.recogniser import Recognition, Subject

NO_FACES = Faces((0, 0, 0, 0))


def recognition(*groups: Subject, category: float = 0.0, **places: float) -> Recognition:
    """Groups in the order given, an animal of that probability, and the places by name."""
    return Recognition(
        groups or (Subject("a dog", 0.1),),
        (Subject("an animal", category),),
        {place: places.get(place.name.lower(), 0.0) for place in Place},
    )


def said(facts: Recognition, faces: Faces = NO_FACES) -> list[str]:
    return [sentence.text for sentence in describe_content(facts, faces)]


def test_a_sure_group_is_stated() -> None:
    (sentence,) = describe_content(recognition(Subject("a dog", 0.7)), NO_FACES)
    assert (sentence.text, sentence.kind) == ("The video shows a dog.", StatementKind.CONTENT)
    assert sentence.certainty == 0.7


def test_several_sure_groups_share_a_sentence_with_the_certainty_of_the_least() -> None:
    facts = recognition(Subject("a dog", 0.9), Subject("a car", 0.8), Subject("food", 0.61), Subject("a cat", 0.3))
    (sentence,) = describe_content(facts, NO_FACES)
    assert sentence.text == "The video shows a dog, a car and food."
    assert sentence.certainty == 0.61


def test_the_kind_is_a_likeness_and_not_a_fact() -> None:
    facts = recognition(Subject("a bird", 0.9, "hummingbird"))
    assert said(facts) == ["The video shows a bird (most like: hummingbird)."]


def test_an_unsure_group_within_a_sure_category_is_not_named() -> None:
    assert said(recognition(Subject("a bird", 0.5), category=0.8)) == ["The video appears to show an animal."]


def test_an_unsure_group_is_a_possibility() -> None:
    (sentence,) = describe_content(recognition(Subject("a bird", 0.5, "goose"), category=0.6), NO_FACES)
    assert (sentence.text, sentence.certainty) == ("The video possibly shows a bird.", 0.5)


def test_what_is_not_recognised_is_admitted() -> None:
    (sentence,) = describe_content(recognition(Subject("a bird", 0.39), category=0.69), NO_FACES)
    assert sentence.text == "What the video shows could not be recognised with confidence."
    assert sentence.kind is StatementKind.UNKNOWN


def test_a_face_does_not_hide_that_the_rest_is_not_recognised() -> None:
    assert said(recognition(), Faces((1, 1, 0, 1), 0.2)) == [
        "The video appears to show a person's face.",
        "What else the video shows could not be recognised with confidence.",
    ]


@pytest.mark.parametrize(
    ("counts", "text"),
    [
        ((1, 0, 0, 1), "The video appears to show a person's face."),
        ((2, 2, 2, 1), "The video appears to show the faces of 2 people."),
        ((9, 9, 7, 0), "The video appears to show several faces."),
        ((1,), "The video possibly shows a person's face."),
    ],
)
def test_faces_are_counted_with_a_hedge(counts: tuple[int, ...], text: str) -> None:
    assert text in said(recognition(), Faces(counts, 0.2))


def test_a_face_in_one_frame_of_several_is_not_mentioned() -> None:
    assert not any("face" in text for text in said(recognition(), Faces((0, 1, 0, 0), 0.2)))


@pytest.mark.parametrize(
    ("places", "setting"),
    [
        ({"nature": 0.6}, "The setting appears to be outdoors, in nature."),
        ({"built_up": 0.6}, "The setting appears to be outdoors, in a street or other built-up place."),
        ({"nature": 0.4, "outdoors": 0.3}, "The setting appears to be outdoors, in nature."),
        ({"nature": 0.3, "outdoors": 0.4}, "The setting appears to be outdoors."),
        ({"nature": 0.4, "built_up": 0.4}, "The setting appears to be outdoors."),
        ({"outdoors": 0.6}, "The setting appears to be outdoors."),
        ({"indoors": 0.6}, "The setting appears to be indoors."),
    ],
)
def test_a_setting_appears_and_never_is(places: dict[str, float], setting: str) -> None:
    assert said(recognition(Subject("a dog", 0.9), **places))[-1] == setting


@pytest.mark.parametrize(
    "places", [{"nature": 0.5, "indoors": 0.2}, {"indoors": 0.5, "outdoors": 0.2}, {"nature": 0.4}]
)
def test_a_place_without_a_clear_lead_is_not_mentioned(places: dict[str, float]) -> None:
    assert not any("setting" in text for text in said(recognition(Subject("a dog", 0.9), **places)))


def test_without_anything_recognised_a_place_needs_more_evidence() -> None:
    assert len(said(recognition(nature=0.6))) == 1
    assert said(recognition(nature=0.7))[-1] == "The setting appears to be outdoors, in nature."

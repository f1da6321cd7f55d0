"""What a sentence denies."""

from __future__ import annotations

import pytest

from classifier_service.engines.embedded.negation import denied


def remains(sentence: str) -> str:
    kept, position = "", 0
    for start, end in denied(sentence, 0, len(sentence)):
        kept, position = kept + sentence[position:start], end
    return " ".join((kept + sentence[position:]).split())


@pytest.mark.parametrize(
    ("sentence", "left"),
    [
        ("No one is happy.", "."),
        ("Nobody smiles.", "."),
        ("A street without any animals.", "A street ."),
        ("There are no people laughing.", "There are ."),
        ("Nobody smiles, but a dog runs.", ", but a dog runs."),
        ("No animals, plants or people are visible.", "."),
        ("There are no cats, dogs and birds.", "There are ."),
        ("A room without children, toys or laughter, and a man reads.", "A room , and a man reads."),
        ("The man does not smile and the woman cries.", "and the woman cries."),
        ("The crowd isn't angry; it cheers.", "; it cheers."),
        ("Neither the boy nor the girl laughs.", "."),
        ("The couple never kisses while the rain falls.", "while the rain falls."),
        ("He walks, not running, through a forest.", "He walks,, through a forest."),
        ("A desert devoid of life stretches to the horizon.", "A desert ."),
        ("She fails to smile.", "."),
        ("A quiet office instead of a party.", "A quiet office ."),
        ("Nothing funny happens.", "."),
        ("They cannot be called happy.", "."),
        ("The people are hardly happy.", "."),
        ("She looks down at her tray and does not eat.", "She looks down at her tray."),
        ("The couple is not in love; they do not kiss.", ";."),
        ("They laugh so hard that they cannot speak.", "They laugh so hard ."),
        ("There is no man who smiles.", "There is ."),
    ],
)
def test_a_denied_clause_is_taken_out(sentence: str, left: str) -> None:
    assert remains(sentence) == left


@pytest.mark.parametrize(
    "sentence",
    [
        "They are not only sad but angry.",
        "It is not just a game but a celebration.",
        "The children cannot stop laughing.",
        "He can't help smiling.",
        "There is no doubt that the fans are happy.",
        "She laughs nothing but joyfully.",
        "Dancers knot ribbons in Norway at noon.",
        "The notary nods.",
        "The friends talk with no end in sight.",
        "Nobody can resist the music.",
        "The bride has never been happier.",
        "Never before has the stadium cheered so loudly.",
    ],
)
def test_negative_words_that_deny_nothing_take_nothing_out(sentence: str) -> None:
    assert remains(sentence) == sentence


def test_a_sentence_may_deny_twice() -> None:
    sentence = "Nobody laughs, a bird sings, and no one dances."
    assert [sentence[start:end].strip() for start, end in denied(sentence, 0, len(sentence))] == [
        "Nobody laughs",
        "and no one dances",
    ]

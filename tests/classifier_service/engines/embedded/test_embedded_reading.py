"""What a summary is read as."""

from __future__ import annotations

import pytest

from classifier_service.engines.embedded.reading import MAX_SENTENCES, Passage, read
from classifier_service.engines.engine import Statement


def content(summary: str, *statements: Statement) -> str:
    passages = read(summary, statements).passages
    return " ".join(summary[low:high].strip() for passage in passages for low, high in passage.content)


def clauses(summary: str) -> list[str]:
    return [summary[low:high] for passage in read(summary).passages for low, high in passage.clauses]


def test_lead_ins_are_not_scored() -> None:
    assert content("The video shows a squirrel.") == "a squirrel."
    assert content("In this clip, a dog barks.") == "a dog barks."
    assert content("The scene opens with a sunrise.") == "a sunrise."


def test_a_sentence_that_only_begins_like_a_lead_in_stays_whole() -> None:
    assert content("The videographer films a bride.") == "The videographer films a bride."


@pytest.mark.parametrize(
    "sentence",
    [
        "The camera pans slowly to the right.",
        "The picture is bright and warm-toned.",
        "The pace is energetic and fast.",
        "It is framed as a close-up.",
        "The video possibly shows a bird.",
        "What the video shows could not be recognised with confidence.",
    ],
)
def test_the_picture_and_guesses_are_not_scored(sentence: str) -> None:
    assert content(f"A dog barks. {sentence}") == "A dog barks."


def test_sentences_keep_their_places_in_the_text() -> None:
    summary = "  A dog barks!\nMr. Smith smiles.  \u201cHello,\u201d he says.\u3002"
    found = [summary[passage.start : passage.end] for passage in read(summary).passages]
    assert found == ["A dog barks!", "Mr. Smith smiles.", "\u201cHello,\u201d he says.\u3002"]


def test_typographic_apostrophes_deny_too() -> None:
    assert content("A dog barks. The crowd isn\u2019t happy.") == "A dog barks."


def test_long_sentences_are_cut_only_where_both_sides_stand_alone() -> None:
    first = "A young man in a red jacket runs along the harbour wall before the sun has risen over the water"
    assert clauses(f"{first}, and his dog follows him.") == [first, "his dog follows him"]
    assert clauses("A man runs, and his dog follows him.") == ["A man runs, and his dog follows him"]


def test_statements_alone_decide_what_is_scored() -> None:
    summary = "The video shows a cat. The picture is dark. The camera pans. It may be night."
    statements = (
        Statement(0, 22, "content", 0.8),
        Statement(23, 43, "look", 1.0),
        Statement(44, 60, "motion", 1.0),
        Statement(61, len(summary), "unknown", 0.2),
    )
    passages = read(summary, statements).passages
    assert content(summary, *statements) == "a cat."
    assert [passage.certainty for passage in passages if passage.content] == [0.8]


def test_a_statement_beyond_the_text_is_read_up_to_its_end() -> None:
    assert content("A cat.", Statement(0, 99, "content", 1.0)) == "A cat."
    assert content("A cat.", Statement(50, 99, "content", 1.0)) == ""


def test_text_without_words_has_no_content() -> None:
    assert content("... !!! \N{GRINNING FACE}") == ""
    assert read("").passages == ()


def test_reading_stops_after_the_limit_and_says_what_was_left() -> None:
    reading = read("A dog barks. " * (MAX_SENTENCES + 2))
    assert len(reading.passages) == MAX_SENTENCES
    assert reading.characters_left_out == 2 * len("A dog barks. ") + 1


def test_a_megabyte_costs_no_more_than_what_is_read() -> None:
    reading = read("word " * 200_000)
    assert len(reading.passages) == MAX_SENTENCES
    assert reading.characters_left_out > 900_000


def test_endless_sentences_are_cut_at_spaces_or_anywhere() -> None:
    assert all(len(text) <= 400 for text in clauses("word " * 1000))
    assert all(isinstance(passage, Passage) for passage in read("x" * 20_000).passages)

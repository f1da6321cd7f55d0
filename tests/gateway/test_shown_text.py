"""Text that is told once, however often it has to be begun."""

from __future__ import annotations

import pytest

from gateway.shown_text import ShownText

Told = list[tuple[str, bool]]


def told(*attempts: list[str]) -> Told:
    """What is shown of attempts, the last of which reaches its end."""
    shown: Told = []
    text = ShownText(lambda piece, anew: shown.append((piece, anew)))
    for pieces in attempts:
        text.begin()
        for piece in pieces:
            text.add(piece)
    text.end()
    return shown


def test_one_attempt_is_shown_as_it_comes() -> None:
    assert told(["A quiet ", "forest."]) == [("A quiet ", False), ("forest.", False)]


@pytest.mark.parametrize(
    "second",
    [["A quiet ", "forest."], ["A ", "qui", "et forest."], ["A quiet forest."]],
    ids=["same pieces", "smaller pieces", "one piece"],
)
def test_what_was_shown_already_is_left_out_of_the_next_attempt(second: list[str]) -> None:
    assert told(["A quiet "], second) == [("A quiet ", False), ("forest.", False)]


def test_a_text_that_differs_is_shown_anew_from_its_beginning() -> None:
    assert told(["A quiet "], ["A ", "loud ", "street."]) == [
        ("A quiet ", False),
        ("A loud ", True),
        ("street.", False),
    ]


def test_a_text_that_ends_before_what_was_shown_is_shown_anew() -> None:
    assert told(["A quiet forest"], ["A quiet"]) == [("A quiet forest", False), ("A quiet", True)]


def test_a_third_attempt_goes_on_where_the_second_stopped() -> None:
    assert told(["A quiet "], ["A loud "], ["A loud ", "street."]) == [
        ("A quiet ", False),
        ("A loud ", True),
        ("street.", False),
    ]


def test_an_attempt_that_says_nothing_shows_nothing() -> None:
    assert told(["A "], [], ["A ", "forest."]) == [("A ", False), ("forest.", False)]

"""What may be tagged: texts, and statements that say what their spans speak of."""

from __future__ import annotations

import math

import pytest

from classifier_service.engines.engine import Statement
from classifier_service.summaries import MAX_CHARACTERS, check_summary
from vidtomusictags.rpc.failures import InvalidRequest, SummaryInvalid

TEXT = "A dog runs. It is night."


def test_statements_one_after_another_are_taken() -> None:
    check_summary(
        TEXT, [Statement(0, 11, "content", 1.0), Statement(11, 12, "unknown", 0.0), Statement(12, 24, "look", 0.5)]
    )


@pytest.mark.parametrize(
    "statements",
    [
        [(5, 2, 1.0)],
        [(3, 3, 1.0)],
        [(0, len(TEXT) + 1, 1.0)],
        [(0, 5, math.nan)],
        [(0, 5, 1.1)],
        [(12, 24, 1.0), (0, 11, 1.0)],
        [(0, 11, 1.0), (10, 24, 1.0)],
        [(0, 11, 1.0)] * 2,
    ],
)
def test_statements_outside_of_the_summary_or_over_one_another_are_refused(
    statements: list[tuple[int, int, float]],
) -> None:
    with pytest.raises(InvalidRequest) as raised:
        check_summary(TEXT, [Statement(start, end, "content", certainty) for start, end, certainty in statements])
    assert raised.value.field == "statements"


@pytest.mark.parametrize("text", ["", " \n", "a" * (MAX_CHARACTERS + 1), "a\x00b", "a\x1b[31m"])
def test_what_is_no_text_of_a_fitting_length_is_refused(text: str) -> None:
    with pytest.raises(SummaryInvalid):
        check_summary(text)

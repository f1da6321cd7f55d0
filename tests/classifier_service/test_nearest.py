"""The name that was probably meant."""

from __future__ import annotations

import pytest

from classifier_service.nearest import nearest


@pytest.mark.parametrize(
    ("name", "meant"),
    [("hapy", "Happy"), ("HAPPY", "Happy"), ("playfull", "playful"), ("xylophone", ""), ("", ""), ("hapy" * 9999, "")],
)
def test_a_slip_finds_its_name_and_nonsense_finds_none(name: str, meant: str) -> None:
    assert nearest(name, ["Happy", "playful", "sad"]) == meant


def test_nothing_is_near_where_there_is_nothing() -> None:
    assert nearest("happy", []) == ""

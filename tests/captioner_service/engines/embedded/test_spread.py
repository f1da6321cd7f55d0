"""Few frames stand for many without leaning to one end."""

from __future__ import annotations

from captioner_service.engines.embedded.spread import spread


def test_few_are_taken_as_they_are() -> None:
    assert spread(3, 8) == [0, 1, 2]


def test_many_are_thinned_to_the_middles_of_equal_spans() -> None:
    assert spread(64, 4) == [8, 24, 40, 56]


def test_positions_never_repeat_or_leave_the_range() -> None:
    for count in range(1, 70):
        for most in range(1, 20):
            chosen = spread(count, most)
            assert chosen == sorted(set(chosen))
            assert len(chosen) == min(count, most)
            assert 0 <= chosen[0] <= chosen[-1] < count

"""How many lines of a flood are written, and that the others are counted."""

from __future__ import annotations

from vidtomusictags.rpc.log_ration import Ration


def test_lines_beyond_the_ration_are_counted_in_the_next_one() -> None:
    ration = Ration(a_second=3)
    assert [ration.take(10.0 + 0.1 * number) for number in range(6)] == [True, True, True, False, False, False]
    assert ration.take(11.0)
    assert ration.left_out() == {"not_logged": 3}
    assert ration.left_out() == {}


def test_where_there_are_few_all_are_written() -> None:
    ration = Ration(a_second=3)
    assert all(ration.take(0.4 * number) for number in range(50))
    assert ration.left_out() == {}

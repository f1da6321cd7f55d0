"""Which few of many frames stand for all of them."""

from __future__ import annotations


def spread(count: int, most: int) -> list[int]:
    """At most `most` positions out of `count`, ascending: the middles of equal spans, so the choice leans nowhere."""
    wanted = min(count, most)
    return [(2 * position + 1) * count // (2 * wanted) for position in range(wanted)]

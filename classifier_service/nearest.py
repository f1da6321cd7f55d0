"""Finds the name that somebody probably meant."""

from __future__ import annotations

from collections.abc import Iterable
from difflib import get_close_matches

_LONGEST = 128
"""difflib takes time with the product of lengths; no name here is longer."""


def nearest(name: str, names: Iterable[str]) -> str:
    """The one of `names` that is most like `name`, or "" where none is alike. Case does not matter."""
    by_folded = {candidate.casefold(): candidate for candidate in names}
    found = get_close_matches(name[:_LONGEST].casefold(), by_folded, n=1, cutoff=0.6)
    return by_folded[found[0]] if found else ""

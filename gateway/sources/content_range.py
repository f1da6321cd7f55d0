"""The header by which a server says which bytes of a file it sends."""

from __future__ import annotations

import re
from dataclasses import dataclass

_FORM = re.compile(r"bytes (\d{1,18})-(\d{1,18})/(\d{1,18})")


@dataclass(frozen=True)
class ContentRange:
    """The bytes from `start` up to but without `end`, of `total`."""

    start: int
    end: int
    total: int

    @property
    def length(self) -> int:
        """How many bytes that is."""
        return self.end - self.start

    @classmethod
    def parse(cls, header: str) -> ContentRange | None:
        """As RFC 9110, 14.4 has it; None where it makes no sense or the total is not told."""
        found = _FORM.fullmatch(header)
        if found is None:
            return None
        start, last, total = (int(number) for number in found.groups())
        return cls(start, last + 1, total) if start <= last < total else None

"""What is wrong with a taxonomy: one fault with its place, and the failure that lists them all."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, replace

from classifier_service.nearest import nearest
from vidtomusictags.rpc.failures import TaxonomyInvalid

Place = tuple[str | int, ...]
"""Path to a value in the words of the YAML format, such as ("tags", 3, "cues", "for", 0)."""

MOST_SHOWN = 20
MOST_BYTES_ON_THE_WIRE = 1200
"""A status message travels up to three times in trailers (percent-encoded, and twice in details), which gRPC limits
to 8 KiB by default."""

_PLAIN = re.compile(r"[\w./-]{1,80}")
_LONGEST_QUOTE = 40


@dataclass(frozen=True)
class Fault:
    """Something that breaks the rules of taxonomies, or, in a list of warnings, weakens a taxonomy.

    owner: the tag or facet it concerns, such as `tag mood/playful`; empty for the taxonomy itself.
    unknown, choices: a name that does not exist, and those that do; the nearest is added to the text when it is shown,
    not before, because a search among thousands of ids takes milliseconds.
    earlier: place of the first of two values that may not be equal.
    source, line: name of the file and line from 1; empty and None for a taxonomy that came without a file.
    """

    place: Place
    problem: str
    owner: str = ""
    unknown: str = ""
    choices: Collection[str] = ()
    earlier: Place | None = None
    earlier_line: int | None = None
    source: str = ""
    line: int | None = None

    @property
    def message(self) -> str:
        """The fault in one line, without its file and line."""
        text = f"{self.owner}: {self.problem}" if self.owner else self.problem
        if self.earlier_line is not None:
            text += f"; the first is on line {self.earlier_line}"
        likely = nearest(self.unknown, self.choices) if self.unknown else ""
        return f"{text}; did you mean {likely}?" if likely else text

    def located(self, source: str, line_of: Callable[[Place], int | None]) -> Fault:
        """The same fault with the file and the lines of its places."""
        line = line_of(self.place) if self.line is None else self.line
        earlier_line = line_of(self.earlier) if self.earlier is not None else None
        return replace(self, source=source, line=line, earlier_line=earlier_line)

    def __str__(self) -> str:
        """For example `house-moods.yaml:14: tag mood/playful: threshold must be between 0 and 1, not 1.5`."""
        where = self.source if self.line is None else f"{self.source}:{self.line}"
        return f"{where}: {self.message}" if where else self.message


class FaultyTaxonomy(TaxonomyInvalid):
    """A taxonomy that breaks rules; `faults` holds all of them, the message the first few, one a line."""

    def __init__(self, faults: Sequence[Fault], *, field: str = "", most_bytes: int | None = None) -> None:
        """most_bytes: bound of the message in UTF-8; None: `MOST_SHOWN` faults however long."""
        super().__init__(listing(faults, most_bytes=most_bytes), field=field)
        self.faults = tuple(faults)


def listing(faults: Sequence[Fault], *, most_bytes: int | None = None) -> str:
    """The first `MOST_SHOWN` faults, one a line, fewer where they would pass `most_bytes`; then how many are left."""
    lines: list[str] = []
    size = 0
    for fault in faults[:MOST_SHOWN]:
        line = str(fault)
        size += len(line.encode()) + 1
        if lines and most_bytes is not None and size > most_bytes:
            break
        lines.append(line)
    left = len(faults) - len(lines)
    if left:
        lines.append(f"and {left} more")
    return "\n".join(lines)


def quoted(text: str) -> str:
    """Somebody else's text for a message: cut to 40 characters, its control characters escaped."""
    cut = text if len(text) <= _LONGEST_QUOTE else text[: _LONGEST_QUOTE - 1] + "…"
    return json.dumps(cut, ensure_ascii=False).translate(_INVISIBLE)


def owner_name(kind: str, id: object, position: int) -> str:
    """`tag mood/playful`, or `tag number 4` where the id cannot name it. position: from 0."""
    return f"{kind} {id}" if isinstance(id, str) and _PLAIN.fullmatch(id) else f"{kind} number {position + 1}"


def field_name(place: Place) -> str:
    """A place within its tag or facet as people say it: `threshold`, `cues.for`, `entry 2 of examples`.

    Empty for the taxonomy, a tag or a facet itself.
    """
    inner = place[2:] if place[:1] in (("tags",), ("facets",)) and len(place) > 1 else place
    name = ".".join(part if _PLAIN.fullmatch(part) else quoted(part) for part in inner if isinstance(part, str))
    return f"entry {inner[-1] + 1} of {name}" if inner and isinstance(inner[-1], int) else name


_INVISIBLE = {code: f"\\u{code:04x}" for code in (*range(0x7F, 0xA0), 0x2028, 0x2029, *range(0x202A, 0x202F), 0xFEFF)}
_INVISIBLE |= {code: f"\\u{code:04x}" for code in (*range(0x2066, 0x206A), *range(0xD800, 0xE000))}

"""Finds the parts of a sentence that say what is not there."""

from __future__ import annotations

import re

_NOT_DENIALS = re.compile(
    r"\b(?:not\s+(?:only|just|merely|simply|unlike|far)|no\s+(?:doubt|matter|less|fewer)|nothing\s+(?:but|less)"
    r"|none\s+other|no\s+one\s+but|without\s+(?:doubt|question|stopping|pause)"
    r"|(?:cannot|can\s+not|can't|could\s+not|couldn't)\s+(?:help|stop|wait|resist|hide|hold\s+back|contain))\b",
    re.IGNORECASE,
)
"""Negative words that deny nothing: 'not only sad but angry', 'cannot stop laughing'."""

_DENIALS = re.compile(
    r"\b(?:(?P<whole>no\s+one|no-one|nobody|nothing|nowhere|none|neither)"
    r"|(?P<rest>not|cannot|never|no|nor|without|lacks?|lacking|hardly|scarcely|barely|rarely|instead\s+of|rather\s+than"
    r"|far\s+from|devoid\s+of|free\s+of|free\s+from|absence\s+of|anything\s+but|fails?\s+to|failed\s+to|refuses?\s+to"
    r"|\w+n't))\b",
    re.IGNORECASE,
)
"""whole: denies its clause from the beginning. rest: denies what follows it in the clause."""

_CLAUSE_ENDS = re.compile(
    r"[;:.!?()\n]|\s[-\u2013\u2014]\s|\u2014"
    r"|,?\s+\b(?:but|yet|except|although|though|however|while|whereas|because|until|before|after|when|as\s+if)\b"
    r"|,?\s+\b(?:and|so|as)\s+(?=(?:the|a|an|he|she|it|they|we|you|his|her|its|their|some|several|many|most|all|both|each|every"
    r"|everyone|everybody|others?|another|people|someone|somebody|one|two|three|then|there|instead)\b)"
    r"|,",
    re.IGNORECASE,
)
_LIST_GOES_ON = re.compile(
    r"(?:(?:\s+[^\s,;:.!?]+){1,4},)*(?:\s+[^\s,;:.!?]+){0,4}?\s+n?or\s"
    r"|(?:(?:\s+(?!an?\b|the\b)[^\s,;:.!?]+){1,2},)*(?:\s+(?!an?\b|the\b)[^\s,;:.!?]+){1,2}?,?\s+and\s+[^\s,;:.!?]+\s*(?:[,;:.!?]|$)",
    re.IGNORECASE,
)
"""After a comma: 'no animals, plants or people' goes on, and the denial with it."""


def denied(text: str, start: int, end: int) -> list[tuple[int, int]]:
    """The spans of text[start:end], one sentence, that are negated; ascending, in characters of the text.

    'Nobody smiles, but a dog runs' gives 'Nobody smiles'; 'A street without any animals' gives 'without any animals'.
    """
    spans: list[tuple[int, int]] = []
    harmless = [match.span() for match in _NOT_DENIALS.finditer(text, start, end)]
    for match in _DENIALS.finditer(text, start, end):
        if any(low <= match.start() < high for low, high in harmless):
            continue
        if spans and match.start() < spans[-1][1]:
            continue
        begin = _clause_start(text, start, match.start()) if match["whole"] else match.start()
        spans.append((max(begin, spans[-1][1] if spans else start), _clause_end(text, match.end(), end)))
    return spans


def _clause_start(text: str, start: int, position: int) -> int:
    begin = start
    for match in _CLAUSE_ENDS.finditer(text, start, position):
        begin = match.end()
    return begin


def _clause_end(text: str, position: int, end: int) -> int:
    while match := _CLAUSE_ENDS.search(text, position, end):
        if match.group() != "," or not _LIST_GOES_ON.match(text, match.end(), end):
            return match.start()
        position = match.end()
    return end

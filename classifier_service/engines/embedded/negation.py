"""Finds the parts of a sentence that say what is not there."""

from __future__ import annotations

import re

_NOT_DENIALS = re.compile(
    r"\b(?:not\s+(?:only|just|merely|simply|unlike|far)|no\s+(?:doubt|matter|less|fewer|sooner|end)|nothing\s+(?:but|less)"
    r"|none\s+other|no\s+one\s+but|without\s+(?:an?\s+)?(?:doubt|question|stopping|pause)|never\s+(?:before|been\s+(?:so|more|\w+er))"
    r"|(?:(?:no\s+one|nobody)\s+can|cannot|can\s+not|can't|could\s+not|couldn't)"
    r"\s+(?:help|stop|wait|resist|hide|hold\s+back|contain))\b",
    re.IGNORECASE,
)
"""Negative words that deny nothing: 'not only sad but angry', 'cannot stop laughing'."""

_DENIALS = re.compile(
    r"\b(?:(?P<statement>no\s+one|no-one|nobody|nothing|nowhere|none|neither|not|cannot|never|nor|hardly|scarcely|barely"
    r"|rarely|lacks?|fails?\s+to|failed\s+to|refuses?\s+to|\w+n't)"
    r"|(?P<thing>no|without|lacking|instead\s+of|rather\s+than|far\s+from|devoid\s+of|free\s+(?:of|from)|absence\s+of"
    r"|anything\s+but))\b",
    re.IGNORECASE,
)
"""statement: denies its whole clause. thing: denies what follows it in the clause."""

_SECOND_VERB = re.compile(r".*\s(?:and|or|then)\s+(?:\S+\s+){0,2}$", re.IGNORECASE | re.DOTALL)
"""Before the denial in 'She looks down and does not eat': her looking down is not denied."""

_CLAUSE_ENDS = re.compile(
    r"[;:.!?()\n]|\s[-\u2013\u2014]\s|\u2014"
    r"|,?\s+\b(?:but|yet|except|although|though|however|while|whereas|because|until|before|after|when|as\s+if)\b"
    r"|,?\s+\b(?:and|so|as)\s+(?=(?:the|a|an|he|she|it|they|we|you|his|her|its|their|some|several|many|most|all|both|each|every"
    r"|everyone|everybody|others?|another|people|someone|somebody|one|two|three|then|there|instead)\b)"
    r"|,",
    re.IGNORECASE,
)
_RELATIVE = re.compile(r"\s(?=(?:that|which|who|whose|where)\s)", re.IGNORECASE)
"""Where a clause begins, though a denial before it goes on: 'a man | who never smiles', 'no man who smiles'."""
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
        begin = _clause_start(text, start, match.start()) if match["statement"] else match.start()
        spans.append((max(begin, spans[-1][1] if spans else start), _clause_end(text, match.end(), end)))
    return spans


def _clause_start(text: str, start: int, position: int) -> int:
    ends = [match.end() for pattern in (_CLAUSE_ENDS, _RELATIVE) for match in pattern.finditer(text, start, position)]
    begin = max(ends, default=start)
    before = text[begin:position]
    if _SECOND_VERB.match(before):
        begin += max(before.casefold().rfind(f" {word} ") for word in ("and", "or", "then"))
    return begin


def _clause_end(text: str, position: int, end: int) -> int:
    while match := _CLAUSE_ENDS.search(text, position, end):
        if match.group() != "," or not _LIST_GOES_ON.match(text, match.end(), end):
            return match.start()
        position = match.end()
    return end

"""Makes text of strangers safe to stand in a prompt: readable as data, unable to look like the prompt's structure."""

from __future__ import annotations

import re
import unicodedata

_JOINERS = "\u200c\u200d"
"""Written in Persian and in emoji; a text would change without them."""
_PRESENTATION = range(0xFE0E, 0xFE10)
"""Variation selectors 15 and 16, which choose between text and emoji. The others can carry hidden bytes."""
_OPENING = re.compile(r"<(?=\S)")
_BRACKETED = re.compile(
    r"\[(?=\s*/?\s*(?:INST|SYS|AVAILABLE_TOOLS|TOOL_)|\s*(?:system|user|assistant)\s*\])", re.IGNORECASE
)


def as_data(text: str) -> str:
    """The text without what cannot be seen, and with a space behind every `<`.

    Chat templates mark their structure as `<|im_start|>`, `</s>`, `<start_of_turn>` or `[INST]`, and a tokenizer reads
    such a mark as structure wherever it stands (arXiv 2406.12935); so does a reader with `</summary>`. After this no
    such mark is left, and nothing but blanks was added.
    """
    seen = "".join(character for character in text if not _is_hidden(character))
    return _BRACKETED.sub("[ ", _OPENING.sub("< ", seen))


def as_line(text: str) -> str:
    """The same on one line, with single blanks."""
    return " ".join(as_data(text).split())


def _is_hidden(character: str) -> bool:
    """Whether a reader sees nothing of it: format characters, tag characters, controls, selectors that carry bytes."""
    if character in _JOINERS or character in "\t\n\r":
        return False
    code = ord(character)
    if 0xFE00 <= code <= 0xFE0F or 0xE0100 <= code <= 0xE01EF:
        return code not in _PRESENTATION
    return unicodedata.category(character) in ("Cf", "Cc", "Cs", "Co", "Cn")

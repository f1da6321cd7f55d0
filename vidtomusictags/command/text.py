"""Text from elsewhere, made safe for a terminal."""

from __future__ import annotations


def printable(text: str) -> str:
    """The text with control characters replaced: an escape sequence in a summary must not reach a terminal."""
    return "".join(c if c.isprintable() or c == "\n" else "\ufffd" for c in text)

"""The JSON documents of the command: plain, in one order, and the only thing on stdout."""

from __future__ import annotations

import json
import sys
from typing import Any


def print_document(document: Any) -> None:
    """Writes one document, indented for people."""
    print(_written(document, indent=2))


def print_line(document: Any) -> None:
    """Writes one document as one line, at once, so that a reader down the pipe need not wait for the next."""
    print(_written(document))
    sys.stdout.flush()


def _written(document: Any, indent: int | None = None) -> str:
    """The JSON. Half of a surrogate pair, which a name of a file or an id may hold, is no text; it stays an escape."""
    return json.dumps(document, indent=indent, ensure_ascii=False).encode(errors="backslashreplace").decode()

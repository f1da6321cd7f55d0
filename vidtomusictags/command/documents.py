"""The JSON documents of the command: plain, in one order, and the only thing on stdout."""

from __future__ import annotations

import json
import sys
from typing import Any


def print_document(document: Any) -> None:
    """Writes one document, indented for people."""
    print(json.dumps(document, indent=2, ensure_ascii=False))


def print_line(document: Any) -> None:
    """Writes one document as one line, at once, so that a reader down the pipe need not wait for the next."""
    print(json.dumps(document, ensure_ascii=False))
    sys.stdout.flush()

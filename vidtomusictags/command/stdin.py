"""What comes down the pipe, for arguments that are `-`."""

from __future__ import annotations

import sys
from typing import BinaryIO

from vidtomusictags.command.endings import Mistake


def stdin_bytes() -> BinaryIO:
    """Standard input as bytes. Raises Mistake where the process was started without one."""
    if sys.stdin is None:  # closed by the caller, as in `vidtags tag - <&-`
        raise Mistake("there is no stdin to read - from; pipe something in, or name a file")
    return sys.stdin.buffer

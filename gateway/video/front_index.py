"""Whether an MP4 or MOV file begins with its index, so that sampling it can begin before its end is there."""

from __future__ import annotations

import os
from pathlib import Path

from gateway.video.supplying import ArrivingVideo

_MAX_BOXES = 16
_SMALL = frozenset({b"ftyp", b"free", b"skip", b"wide", b"uuid", b"pdin", b"styp"})
"""What may stand before the index (ISO/IEC 14496-12, 6.2.3; QuickTime File Format, `wide`)."""


async def begins_with_index(video: ArrivingVideo) -> bool:
    """True once all of the `moov` box is there, where it comes before the pictures; False as soon as it does not.

    Reads the headers of the first boxes alone. Raises what `until_there` raises.
    """
    position = 0
    for _ in range(_MAX_BOXES):
        if position + 16 > video.size_bytes:
            return False
        await video.until_there(position, position + 16)
        header = _read(video.path, position)
        size, kind = int.from_bytes(header[:4]), header[4:8]
        if size == 1:
            size = int.from_bytes(header[8:16])
        if size < 8 or position + size > video.size_bytes:
            return False
        if kind == b"moov":
            await video.until_there(position, position + size)
            return True
        if kind not in _SMALL:
            return False
        position += size
    return False


def _read(path: Path, position: int) -> bytes:
    descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        return os.pread(descriptor, 16, position)
    finally:
        os.close(descriptor)

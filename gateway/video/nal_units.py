"""Finding the NAL units of H.264 and H.265 packets."""

from __future__ import annotations

from collections.abc import Iterator

# As much of a NAL unit as anything here reads.
_HEAD_BYTES = 1024


def h264_length_size(extradata: bytes) -> int | None:
    """How long the length before each NAL unit is, by an avcC record (which begins with 1); None for Annex B."""
    return (extradata[4] & 3) + 1 if extradata[:1] == b"\x01" and len(extradata) > 4 else None


def nal_heads(data: memoryview, length_size: int | None) -> Iterator[memoryview]:
    """The first bytes of each NAL unit, at least two, framed by lengths or, where length_size is None, by start codes.

    Between start codes they may run into the next unit.
    """
    if length_size is not None:
        position = 0
        while position + length_size + 2 <= len(data):
            length = int.from_bytes(data[position : position + length_size], "big")
            position += length_size
            yield data[position : position + max(2, min(length, _HEAD_BYTES))]
            position += length
        return
    found = bytes(data)
    position = found.find(b"\0\0\1")
    while 0 <= position <= len(found) - 5:
        yield data[position + 3 : position + 3 + _HEAD_BYTES]
        position = found.find(b"\0\0\1", position + 3)

"""Sampled frames made small, to stand in a report."""

from __future__ import annotations

import base64
import io

from vidtomusictags.evaluation.stage_results import Picture

_WIDTH, _HEIGHT = 208, 160
_QUALITY = 60


def picture(seconds: float, jpeg: bytes) -> Picture:
    """A frame at `seconds` of its clip, at most 208 x 160 pixels."""
    from PIL import Image  # noqa: PLC0415  # only where clips are sampled

    with Image.open(io.BytesIO(jpeg)) as frame:
        frame.thumbnail((_WIDTH, _HEIGHT))
        small = io.BytesIO()
        frame.convert("RGB").save(small, "JPEG", quality=_QUALITY, optimize=True)
    return Picture(round(seconds, 3), base64.b64encode(small.getvalue()).decode())

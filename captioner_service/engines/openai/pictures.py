"""Frames as the pictures of a chat message."""

from __future__ import annotations

import base64
import io
from typing import Any

from PIL import Image

from captioner_service.clip import Clip

JPEG_QUALITY = 90


def message_of(clip: Clip) -> dict[str, Any]:
    """One user message: every frame in order, then the question. Blocks for about 1 ms a frame."""
    content: list[dict[str, Any]] = []
    for frame in clip.frames:
        file = io.BytesIO()
        Image.fromarray(frame).save(file, "JPEG", quality=JPEG_QUALITY)
        url = "data:image/jpeg;base64," + base64.b64encode(file.getvalue()).decode("ascii")
        content.append({"type": "image_url", "image_url": {"url": url}})
    seconds = clip.pts_seconds[-1] - clip.pts_seconds[0] if clip.pts_seconds else 0.0
    lead = f"These are {len(clip.frames)} frames of one video, in order, over {seconds:.1f} seconds. "
    return {"role": "user", "content": [*content, {"type": "text", "text": lead + clip.prompt.text}]}

"""What a clip's bytes are, so that a result belongs to the clip and not to its name."""

from __future__ import annotations

import hashlib
from pathlib import Path

from vidtomusictags.evaluation.stage_results import StageFailed


def clip_digest(clip: str) -> str:
    """sha256 of a file as hex. Raises StageFailed for a clip that is not here or cannot be read."""
    if "://" in clip:
        message = "only clips in local files can be evaluated; download it and name the file"
        raise StageFailed(message, reason="URI_INVALID")
    try:
        with Path(clip).open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except FileNotFoundError:
        raise StageFailed("the clip does not exist", reason="VIDEO_NOT_FOUND") from None
    except OSError as error:
        raise StageFailed(f"the clip cannot be read: {error.strerror}", reason="VIDEO_UNREADABLE") from error

"""Opening a video file for a worker: a descriptor, and nothing that its name could mean."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from gateway.video.limits import SandboxLimits
from vidtomusictags.rpc import failures


@contextmanager
def opened(path: Path, limits: SandboxLimits, *, size_bytes: int | None = None) -> Iterator[int]:
    """A descriptor of the regular, not empty, not oversized file at `path`, for reading.

    size_bytes: of the whole, where the file is still to be filled.
    Raises VideoNotFound, VideoUnreadable or VideoTooLarge.
    """
    try:
        # Without O_NONBLOCK, opening a named pipe would wait for its writer for ever.
        video = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)
    except (FileNotFoundError, NotADirectoryError):
        raise failures.VideoNotFound("There is no such video file; check its name.") from None
    except (OSError, ValueError):
        raise failures.VideoUnreadable("The video file cannot be opened; check its permissions and its name.") from None
    try:
        facts = os.fstat(video)
        if not stat.S_ISREG(facts.st_mode):
            raise failures.VideoUnreadable("That is not a file but a directory or a device; name a video file.")
        size = facts.st_size if size_bytes is None else size_bytes
        if size == 0:
            raise failures.VideoUnreadable("The video file is empty; send it again.")
        if size > limits.max_file_bytes:
            raise failures.VideoTooLarge(
                f"The video file has {size} bytes, more than the {limits.max_file_bytes} that are allowed; "
                "send a smaller one."
            )
        yield video
    finally:
        os.close(video)

"""The video that a caller names: a URI that the gateway opens itself, or bytes that are sent to it."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

Video = str | os.PathLike[str] | BinaryIO
"""A URI (a str with `://`), the path of a local file, or a file that is open for reading bytes."""


@dataclass(frozen=True)
class Upload:
    """Bytes to be sent. size_bytes: of all of them, None where it is not known, as of a pipe."""

    file: BinaryIO
    size_bytes: int | None


@contextmanager
def opened(video: Video) -> Iterator[str | Upload]:
    """A URI as it is, or an upload that is open for the length of the block; a caller's own file is not closed.

    Raises OSError for a path that cannot be read (FileNotFoundError, IsADirectoryError, PermissionError and so on),
    and TypeError for anything that is neither a path nor a file.
    """
    if isinstance(video, str) and "://" in video:
        yield video
    elif isinstance(video, str | os.PathLike):
        with Path(video).open("rb") as file:
            facts = os.fstat(file.fileno())
            yield Upload(file, facts.st_size if stat.S_ISREG(facts.st_mode) else None)
    elif hasattr(video, "read"):
        yield Upload(video, None)
    else:
        raise TypeError(f"a video is a URI, a path or a file that is open for reading bytes, not {video!r}")

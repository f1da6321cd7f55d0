"""Videos in files of this machine, under the configured roots and nowhere else."""

from __future__ import annotations

import asyncio
import stat
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path
from urllib.parse import unquote, urlsplit

from gateway.sources.rules import SourceRules
from gateway.sources.source import Place
from vidtomusictags.rpc.failures import UriInvalid, UriRefused, VideoNotFound, VideoUnreadable

_REFUSED = "The URI leads outside the directories that this gateway serves; ask its operator which those are."


class FileSource:
    """Opens files under the roots."""

    def __init__(self, rules: SourceRules) -> None:
        self._roots = rules.roots

    async def place(self, uri: str) -> Place:
        """See `Source`."""
        path = await asyncio.to_thread(local_path, uri, self._roots)
        return Place("file", partial(_opened, path))

    async def close(self) -> None:
        """There is nothing to let go of."""


@asynccontextmanager
async def _opened(path: Path) -> AsyncIterator[Path]:
    yield path


def local_path(uri: str, roots: Sequence[Path]) -> Path:
    """The regular file that a `file://` URI names, with every symbolic link followed, under one of `roots`.

    Blocks for a few file-system calls. Raises UriInvalid, UriRefused, VideoNotFound or VideoUnreadable; what lies
    outside the roots is refused in the same words whether it exists or not.
    """
    path = _path_of(uri)
    allowed = [root.resolve() for root in roots]
    if ".." in path.parts:
        raise UriRefused(_REFUSED, field="uri")
    try:
        resolved = path.resolve()
    except (OSError, RuntimeError):  # a loop of links
        raise UriRefused(_REFUSED, field="uri") from None
    if not any(resolved.is_relative_to(root) for root in allowed):
        raise UriRefused(_REFUSED, field="uri")
    try:
        mode = resolved.stat().st_mode
    except OSError:
        raise VideoNotFound("There is no such file; check the URI.", field="uri") from None
    if not stat.S_ISREG(mode):
        raise VideoUnreadable("The URI names something that is not a file; name a video file.", field="uri")
    return resolved


def _path_of(uri: str) -> Path:
    try:
        parts = urlsplit(uri)
        path = unquote(parts.path, errors="strict")
    except ValueError:
        raise UriInvalid("The URI cannot be understood; write file:///absolute/path.", field="uri") from None
    if parts.netloc not in ("", "localhost") or parts.query or parts.fragment or not path.startswith("/"):
        raise UriInvalid(
            "A file URI is file:///absolute/path, without host, query or fragment; write ? as %3F and # as %23.",
            field="uri",
        )
    if "\0" in path:
        raise UriInvalid("The URI holds a zero byte.", field="uri")
    return Path(path)

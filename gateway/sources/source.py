"""What the ways to a video have in common."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Callable
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from vidtomusictags.rpc.failures import UriInvalid

MAX_URI_CHARACTERS = 2048
HEAD_BYTES = 256 * 1024
"""How much of a remote video is read to find out what it is."""


class RemoteVideo(Protocol):
    """A video elsewhere, as it was when it was opened: where it has changed since, reading fails.

    size_bytes: None where it is not known beforehand; only without ranges.
    has_ranges: whether any stretch can be read. Without, it can be read once, from its start to its end.
    """

    @property
    def size_bytes(self) -> int | None: ...

    @property
    def has_ranges(self) -> bool: ...

    def pieces(self, start: int, end: int | None) -> AsyncGenerator[bytes, None]:
        """The bytes from `start` on, in order: to `end`, or at least some of them; to the video's end for None.

        Raises RemoteUnavailable where trying again can help, else RemoteTimeout, RemoteForbidden, RemoteInvalid,
        VideoNotFound or VideoChanged.
        """
        ...


@dataclass(frozen=True)
class Place:
    """Where a URI leads that may be opened.

    scheme: of the URI, in lower case. open: opens it; a Path is a file of this machine. Raises what
    `RemoteVideo.pieces` raises, and UriRefused, where only the way there shows that it must not be gone.
    """

    scheme: str
    open: Callable[[], AbstractAsyncContextManager[Path | RemoteVideo]]

    @property
    def is_remote(self) -> bool:
        """Whether it has to be fetched."""
        return self.scheme != "file"


class Source(Protocol):
    """One way to videos."""

    async def place(self, uri: str) -> Place:
        """Where the URI leads, before anything is fetched. Raises UriInvalid, UriRefused, VideoNotFound and the like.

        uri: of one of the source's schemes; at most 2048 printable ASCII characters.
        """
        ...

    async def close(self) -> None:
        """Lets go of connections."""
        ...


def check_characters(uri: str) -> None:
    """Raises UriInvalid for what no URI may hold (RFC 3986), and what libraries quietly drop from one."""
    if not uri or len(uri) > MAX_URI_CHARACTERS:
        raise UriInvalid(f"The URI must have 1 to {MAX_URI_CHARACTERS} characters.", field="uri")


def check_printable(uri: str) -> None:
    """Raises UriInvalid unless all characters are printable ASCII and none a space."""
    if not all("!" <= character <= "~" for character in uri):
        raise UriInvalid("The URI may hold printable ASCII alone; percent-encode everything else.", field="uri")

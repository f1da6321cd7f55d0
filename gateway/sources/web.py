"""Videos on web servers: by ranges where the server has them, else from start to end.

httpcore rather than httpx around it: it has no redirects, cookies, proxies, decoding of contents and log lines with
whole URLs, all of which would have to be taken away from httpx again.
"""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import AsyncGenerator, AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, AsyncExitStack, aclosing, asynccontextmanager
from functools import partial
from pathlib import Path

import httpcore
import structlog

from gateway.sources.content_range import ContentRange
from gateway.sources.fetches import UNCOUNTED, Fetches
from gateway.sources.hosts import HostList, WebPlace
from gateway.sources.network import CheckedNetwork, Lookup, Resolver
from gateway.sources.rules import SourceRules
from gateway.sources.source import HEAD_BYTES, Place, RemoteVideo
from gateway.sources.web_client import REDIRECTS, Answer, WebClient, too_slow, troubles_named
from vidtomusictags.rpc import failures
from vidtomusictags.rpc.certificates import read_authorities
from vidtomusictags.rpc.reloading import Reloading

log = structlog.get_logger()

_Get = Callable[[int, int, str], AbstractAsyncContextManager[Answer]]


class WebSource:
    """Reads by https and http. lookup: finds addresses; None asks the system."""

    def __init__(self, rules: SourceRules, fetches: Fetches = UNCOUNTED, *, lookup: Lookup | None = None) -> None:
        """Blocks while it reads authorities, as does a later use when they changed.

        Raises OSError or ValueError for a file of them that cannot be used.
        """
        self._rules = rules
        self._fetches = fetches
        self._hosts = HostList(rules.hosts, rules.insecure_hosts)
        self._resolver = Resolver()
        self._network = CheckedNetwork(lookup or self._resolver, rules.private_hosts)
        self._authorities = _authorities(rules.ca_file) if rules.hosts else None

    async def place(self, uri: str) -> Place:
        """See `Source`."""
        place = self._hosts.place(uri)
        return Place(place.scheme, partial(self._opened, place))

    async def close(self) -> None:
        """Asks for no more addresses."""
        self._resolver.close()

    @asynccontextmanager
    async def _opened(self, place: WebPlace) -> AsyncIterator[RemoteVideo]:
        authorities = None if self._authorities is None else self._authorities.current()
        client = WebClient(self._network, authorities, self._fetches, idle_seconds=self._rules.idle_seconds)
        async with client, AsyncExitStack() as stack:
            try:
                async with asyncio.timeout(self._rules.total_seconds):
                    place, response = await self._final(client, place, stack)
                    video = await self._video(client, place, response)
                    if video.has_ranges:
                        await stack.aclose()  # its connection is free for the next request
            except TimeoutError:
                raise too_slow() from None
            yield video

    async def _final(self, client: WebClient, place: WebPlace, stack: AsyncExitStack) -> tuple[WebPlace, Answer]:
        """The answer at the end of all redirects, and whose it is."""
        for _ in range(self._rules.redirects + 1):
            asking = AsyncExitStack()
            response = await asking.enter_async_context(client.get(place, 0, HEAD_BYTES))
            if response.status not in REDIRECTS:
                stack.push_async_exit(asking)
                return place, response
            location = response.header("location")
            await asking.aclose()
            place = self._hosts.next_place(place, location)
        raise failures.UriRefused(
            f"The URI is redirected more than {self._rules.redirects} times; name the video's own address.", field="uri"
        )

    async def _video(self, client: WebClient, place: WebPlace, response: Answer) -> RemoteVideo:
        if response.status == 200:
            return _Stream(response)
        if response.status == 416 and response.header("content-range").endswith("/0"):
            raise failures.VideoUnreadable("The video file is empty; check the URI.", field="uri")
        stretch = _stretch(response, 0, HEAD_BYTES)
        head = b"".join([piece async for piece in _body(response, stretch.length)])
        return _Ranged(partial(client.get, place), response, stretch.total, head)


def _authorities(ca_file: Path | None) -> Reloading[ssl.SSLContext]:
    """The public authorities and those of the file, which is read anew when it changes."""

    def read() -> ssl.SSLContext:
        context = httpcore.default_ssl_context()
        if ca_file is not None:
            context.load_verify_locations(cadata=read_authorities(ca_file).decode("ascii"))
        return context

    paths = [] if ca_file is None else [ca_file]
    return Reloading(paths, read, lambda fault: log.warning("old file kept", what="remote authorities", fault=fault))


class _Stream:
    """What a server without ranges sends: all of it, once."""

    has_ranges = False

    def __init__(self, response: Answer) -> None:
        self._response = response
        length = response.header("content-length")
        self.size_bytes = int(length) if length.isdigit() else None

    async def pieces(self, start: int, end: int | None) -> AsyncGenerator[bytes, None]:
        with troubles_named():
            async for piece in self._response.pieces():
                yield piece
        self._response.ended()


class _Ranged:
    """A video on a server with ranges. Every answer must be about the file that the first one was about."""

    has_ranges = True

    def __init__(self, get: _Get, first: Answer, size_bytes: int, head: bytes) -> None:
        self._get = get
        self._head = head
        self._identity = _identity(first)
        etag, modified = self._identity
        # Only these say of a stretch of bytes which file it is from (RFC 9110, 13.1.5: no weak ones).
        self._validator = etag if etag and not etag.startswith("W/") else modified if not etag else ""
        self.size_bytes: int | None = size_bytes

    async def pieces(self, start: int, end: int | None) -> AsyncGenerator[bytes, None]:
        if start < len(self._head):
            yield self._head[start:end]
            return
        end = end or self.size_bytes or 0
        async with self._get(start, end, self._validator) as response:
            if response.status in (200, 412, 416) or _identity(response) != self._identity:
                raise _changed()
            stretch = _stretch(response, start, end)
            if stretch.total != self.size_bytes:
                raise _changed()
            async with aclosing(_body(response, stretch.length)) as body:
                async for piece in body:
                    yield piece


def _identity(response: Answer) -> tuple[str, str]:
    return response.header("etag"), response.header("last-modified")


def _stretch(response: Answer, start: int, end: int) -> ContentRange:
    """Which bytes the answer says it holds. Raises RemoteInvalid unless they are those asked for or their beginning."""
    stretch = ContentRange.parse(response.header("content-range")) if response.status == 206 else None
    length = response.header("content-length")
    if stretch is None or stretch.start != start or stretch.end > end or length not in ("", str(stretch.length)):
        raise failures.RemoteInvalid(
            "The video's server answers a request for a part of it in a way that makes no sense; upload the video."
        )
    return stretch


async def _body(response: Answer, length: int) -> AsyncGenerator[bytes, None]:
    """Exactly `length` bytes in pieces. Raises RemoteUnavailable for fewer, RemoteInvalid for more."""
    received = 0
    with troubles_named():
        async for piece in response.pieces():
            received += len(piece)
            if received > length:
                raise failures.RemoteInvalid("The video's server sends more than it says; upload the video.")
            yield piece
    if received < length:
        raise failures.RemoteUnavailable("The video's server broke off its answer; try again.", retry_after_seconds=1.0)
    response.ended()


def _changed() -> failures.VideoChanged:
    return failures.VideoChanged("The video changed while it was read; try again.", retry_after_seconds=1.0)

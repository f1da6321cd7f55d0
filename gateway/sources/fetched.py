"""A remote video in the spool: fetched where it is read, a stretch at a time and no byte twice."""

from __future__ import annotations

import asyncio
import sys
import time
from collections.abc import AsyncGenerator, AsyncIterator, Coroutine
from contextlib import aclosing, asynccontextmanager
from dataclasses import dataclass
from typing import Any

from gateway.sources.rules import SourceRules
from gateway.sources.source import HEAD_BYTES, RemoteVideo
from gateway.sparse_file import SparseFile
from gateway.spool import Spool
from gateway.video.extents import Extents
from vidtomusictags.rpc import failures

_BLOCK_BYTES = HEAD_BYTES
_LONGEST_BYTES = 8 * 1024 * 1024
"""A request is for one block, and for twice as much each time that reading goes on where the last one ended."""
_SMALL_BYTES = 4 * 1024 * 1024
"""Up to here, a whole file costs less than the round trips to its parts."""
_ATTEMPTS = 3
_PAUSE_SECONDS = 0.2
_MAX_HEADER = 16


@dataclass
class _Request:
    """A stretch that is being fetched."""

    start: int
    end: int


class FetchedVideo:
    """See `ArrivingVideo`. Used on one event loop; made by `fetched`."""

    in_order = False

    def __init__(self, remote: RemoteVideo, file: SparseFile, rules: SourceRules) -> None:
        self._remote, self._file, self._rules = remote, file, rules
        self._there = Extents()
        self._requests: dict[asyncio.Task[None], _Request] = {}
        self._next_bytes: dict[int, int] = {}
        self._failure: BaseException | None = None
        self._news = asyncio.Event()
        self._busy_since: float | None = None
        self._seconds_left = rules.total_seconds
        self.path = file.path
        self.size_bytes = remote.size_bytes or sys.maxsize  # not known before the end of a stream
        self.fetched_bytes = 0

    @property
    def is_whole(self) -> bool:
        """Whether nothing is missing any more."""
        return self._there.covers(0, self.size_bytes)

    @property
    def known_bytes(self) -> int:
        """The size of the whole; 0 where it is not known yet."""
        return 0 if self.size_bytes == sys.maxsize else self.size_bytes

    async def is_read_in_parts(self) -> bool:
        """Whether sampling can leave much of the file out: of large ones, by formats that have an index.

        Others are read from start to end to find their frames; those are better fetched before a worker waits for them.
        """
        if not self._remote.has_ranges or self.size_bytes <= _SMALL_BYTES:
            return False
        await self.until_there(0, _MAX_HEADER)
        header = await asyncio.to_thread(self._file.read, 0, _MAX_HEADER)
        return header[4:8] in (b"ftyp", b"moov", b"mdat", b"wide", b"free", b"skip") or header[8:12] == b"AVI "

    async def until_there(self, start: int, end: int) -> int:
        """See `ArrivingVideo`."""
        while (missing := self._there.end_from(start)) < end:
            if self._failure is not None:
                raise self._failure
            if not any(request.start <= missing < request.end for request in self._requests.values()):
                self._ask_for(missing)
            await self._news.wait()
        return missing

    async def fetch_all(self) -> AsyncGenerator[int, None]:
        """Fetches what is missing; tells from time to time how many bytes are there from the start on."""
        if not self._remote.has_ranges:
            self._begin(_Request(0, sys.maxsize), self._fetch_stream())
        position = 0
        while not self.is_whole:
            if self._remote.has_ranges:
                position = await self.until_there(position, min(position + _LONGEST_BYTES, self.size_bytes))
            else:
                position = await self._until_further(position + _LONGEST_BYTES)
            yield position

    async def close(self) -> None:
        """Ends all requests."""
        for task in self._requests:
            task.cancel()
        await asyncio.gather(*self._requests, return_exceptions=True)

    async def _until_further(self, position: int) -> int:
        """Waits until so much has come of a stream, or all of it."""
        while (there := self._there.end_from(0)) < position and self._requests:
            await self._news.wait()
        if self._failure is not None:
            raise self._failure
        return there

    def _ask_for(self, missing: int) -> None:
        start = missing // _BLOCK_BYTES * _BLOCK_BYTES
        start = max(start, self._there.end_from(start))  # an answer may have ended within a block
        length = self._next_bytes.pop(start, _BLOCK_BYTES)
        bounds = [self.size_bytes, start + length, self._there.next_start(missing)]
        bounds += [request.start for request in self._requests.values() if request.start > missing]
        request = _Request(start, min(bound for bound in bounds if bound is not None))
        self._next_bytes[request.end] = min(2 * length, _LONGEST_BYTES)
        self._begin(request, self._fetch(request))

    def _begin(self, request: _Request, work: Coroutine[Any, Any, None]) -> None:
        if not self._requests:
            self._busy_since = time.monotonic()
        task = asyncio.create_task(work)
        self._requests[task] = request
        task.add_done_callback(self._finish)

    def _finish(self, task: asyncio.Task[None]) -> None:
        del self._requests[task]
        if not self._requests and self._busy_since is not None:
            self._seconds_left -= time.monotonic() - self._busy_since
            self._busy_since = None
        if not task.cancelled() and (error := task.exception()) is not None and self._failure is None:
            self._failure = error
        self._tell()

    async def _fetch(self, request: _Request) -> None:
        position, attempt = request.start, 0
        try:
            async with asyncio.timeout(max(0.0, self._seconds_left)):
                while position < request.end:
                    try:
                        async with aclosing(self._remote.pieces(position, request.end)) as pieces:
                            async for piece in pieces:
                                await self._keep(position, piece)
                                position += len(piece)
                    except failures.RemoteUnavailable:
                        attempt += 1
                        if attempt == _ATTEMPTS:
                            raise
                        await asyncio.sleep(_PAUSE_SECONDS * 2**attempt)
        except TimeoutError:
            raise self._too_slow() from None

    async def _fetch_stream(self) -> None:
        position = 0
        try:
            async with asyncio.timeout(self._seconds_left), aclosing(self._remote.pieces(0, None)) as pieces:
                async for piece in pieces:
                    await self._keep(position, piece)
                    position += len(piece)
        except TimeoutError:
            raise self._too_slow() from None
        if position == 0:
            raise failures.VideoUnreadable("The video file is empty; check the URI.", field="uri")
        self.size_bytes = position

    async def _keep(self, position: int, piece: bytes) -> None:
        self.fetched_bytes += len(piece)
        if self.fetched_bytes > self._rules.max_fetched_bytes:
            raise failures.VideoTooLarge(
                f"More than {self._rules.max_fetched_bytes} bytes of the video would have to be fetched; "
                "send a smaller one, such as a proxy."
            )
        await self._file.write(position, piece)
        self._there.add(position, position + len(piece))
        self._tell()

    def _tell(self) -> None:
        self._news.set()
        self._news = asyncio.Event()

    def _too_slow(self) -> failures.RemoteTimeout:
        return failures.RemoteTimeout(
            f"Fetching the video took longer than {self._rules.total_seconds:g} seconds; try again later, or upload it."
        )


@asynccontextmanager
async def fetched(remote: RemoteVideo, spool: Spool, rules: SourceRules) -> AsyncIterator[FetchedVideo]:
    """The video in the spool for the length of the block. Raises VideoTooLarge, VideoUnreadable or SpoolFull."""
    size = remote.size_bytes
    if size is not None and size > rules.max_bytes:
        raise failures.VideoTooLarge(
            f"The video has {size} bytes, more than the {rules.max_bytes} that are allowed; send a smaller one, "
            "such as a proxy.",
            field="uri",
        )
    if size == 0:
        raise failures.VideoUnreadable("The video file is empty; check the URI.", field="uri")
    with spool.sparse_file() as file:
        video = FetchedVideo(remote, file, rules)
        try:
            yield video
        finally:
            await video.close()

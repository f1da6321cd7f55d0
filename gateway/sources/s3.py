"""Videos in S3 and whatever speaks its protocol, through s3fs."""

from __future__ import annotations

import asyncio
import importlib
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import asynccontextmanager
from functools import partial
from typing import Any

from gateway.sources.buckets import BucketList, ObjectPlace
from gateway.sources.content_range import ContentRange
from gateway.sources.fetches import UNCOUNTED, Fetch, Fetches
from gateway.sources.object_troubles import object_changed, object_invalid, refuse_compressed, troubles_named
from gateway.sources.rules import SourceRules
from gateway.sources.source import HEAD_BYTES, Place, RemoteVideo
from vidtomusictags.rpc import failures

_PIECE_BYTES = 256 * 1024


class S3Source:
    """Reads by s3. Credentials come from where AWS's own tools take them: the environment, a profile, the machine."""

    def __init__(self, rules: SourceRules, fetches: Fetches = UNCOUNTED) -> None:
        self._rules = rules
        self.fetches = fetches
        self._buckets = BucketList(rules.buckets)
        self._files: Any = None

    async def place(self, uri: str) -> Place:
        """See `Source`."""
        return Place("s3", partial(self._opened, self._buckets.place(uri)))

    async def close(self) -> None:
        """Closes all connections."""
        if self._files is not None and self._files._s3 is not None:
            await self._files._s3.close()

    @asynccontextmanager
    async def _opened(self, place: ObjectPlace) -> AsyncIterator[RemoteVideo]:
        with self.fetches.request("s3") as fetch:
            async with troubles_named(self._rules.total_seconds):
                answer = await self.get(place, 0, HEAD_BYTES)
                async with answer["Body"] as body:
                    refuse_compressed(answer.get("ContentEncoding"))
                    stretch = ContentRange.parse(answer.get("ContentRange", ""))
                    if stretch is None or stretch.start or stretch.end > HEAD_BYTES:
                        raise object_invalid()  # as of a store that knows no ranges: nothing of it is read
                    received = _received(body, stretch.length, fetch, self._rules.idle_seconds)
                    head = b"".join([piece async for piece in received])
        yield _Object(self, place, stretch.total, answer.get("ETag", ""), head, self._rules.idle_seconds)

    async def get(self, place: ObjectPlace, start: int, end: int, **conditions: str) -> Any:
        """S3's GetObject. Raises what s3fs raises."""
        if self._files is None:
            self._files = (await asyncio.to_thread(importlib.import_module, "s3fs")).S3FileSystem(
                asynchronous=True,
                skip_instance_cache=True,
                anon=self._rules.s3_anonymous,
                endpoint_url=self._rules.s3_endpoint or None,
                config_kwargs={
                    "connect_timeout": self._rules.idle_seconds,
                    "read_timeout": self._rules.idle_seconds,
                    "retries": {"max_attempts": 2},
                },
            )
        # The coroutine behind s3fs' call_s3, which is for callers without an event loop; cat_file has no conditions.
        return await self._files._call_s3(
            "get_object", Bucket=place.bucket, Key=place.key, Range=f"bytes={start}-{end - 1}", **conditions
        )


class _Object:
    """An object as it was when it was opened, told by its ETag."""

    has_ranges = True

    def __init__(
        self, source: S3Source, place: ObjectPlace, size_bytes: int, etag: str, head: bytes, idle_seconds: float
    ) -> None:
        self._source, self._place, self._etag, self._head = source, place, etag, head
        self._idle_seconds = idle_seconds
        self.size_bytes: int | None = size_bytes

    async def pieces(self, start: int, end: int | None) -> AsyncGenerator[bytes, None]:
        if start < len(self._head):
            yield self._head[start:end]
            return
        end = end or self.size_bytes or 0
        with self._source.fetches.request("s3") as fetch:
            async with troubles_named(self._idle_seconds):
                answer = await self._source.get(
                    self._place, start, end, **({"IfMatch": self._etag} if self._etag else {})
                )
            async with answer["Body"] as body:
                stretch = ContentRange.parse(answer.get("ContentRange", ""))
                if stretch is None or stretch.start != start or stretch.end > end:
                    raise object_invalid()
                if stretch.total != self.size_bytes or answer.get("ETag", "") != self._etag:
                    raise object_changed()
                async for piece in _received(body, stretch.length, fetch, self._idle_seconds):
                    yield piece


async def _received(body: Any, length: int, fetch: Fetch, idle_seconds: float) -> AsyncGenerator[bytes, None]:
    """So many bytes of an answer in pieces, whatever else it holds. Raises RemoteUnavailable for fewer."""
    received = 0
    while received < length:
        async with troubles_named(idle_seconds):
            piece = await body.read(min(_PIECE_BYTES, length - received))
        if not piece:
            raise failures.RemoteUnavailable("The object store broke off; try again.", retry_after_seconds=1.0)
        received += len(piece)
        fetch.arrived(len(piece))
        yield piece

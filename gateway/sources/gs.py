"""Videos in Google Cloud Storage, through gcsfs."""

from __future__ import annotations

import asyncio
import importlib
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import asynccontextmanager
from functools import partial
from typing import Any

from gateway.sources.buckets import BucketList, ObjectPlace
from gateway.sources.fetches import UNCOUNTED, Fetches
from gateway.sources.object_troubles import object_changed, object_invalid, refuse_compressed, troubles_named
from gateway.sources.rules import SourceRules
from gateway.sources.source import Place, RemoteVideo
from vidtomusictags.rpc import failures

_REQUEST_BYTES = 2 * 1024 * 1024
"""gcsfs gives the answer to a request as a whole, so requests are kept small."""


class GsSource:
    """Reads by gs. Credentials are Google's application default ones: the environment, or the machine's own."""

    def __init__(self, rules: SourceRules, fetches: Fetches = UNCOUNTED) -> None:
        self._rules = rules
        self.fetches = fetches
        self._buckets = BucketList(rules.buckets)
        self._files: Any = None

    async def place(self, uri: str) -> Place:
        """See `Source`."""
        return Place("gs", partial(self._opened, self._buckets.place(uri)))

    async def close(self) -> None:
        """Closes all connections."""
        if self._files is not None and self._files.session is not None:
            await self._files.session.close()

    @asynccontextmanager
    async def _opened(self, place: ObjectPlace) -> AsyncIterator[RemoteVideo]:
        with self.fetches.request("gs"):
            async with troubles_named(self._rules.total_seconds):
                facts = await (await self._storage())._call(
                    "GET", "b/{}/o/{}", place.bucket, place.key, json_out=True, fields="size,generation,contentEncoding"
                )
            refuse_compressed(facts.get("contentEncoding"))
            try:
                size_bytes, generation = int(facts["size"]), str(int(facts["generation"]))
            except (KeyError, TypeError, ValueError):
                raise object_invalid() from None
        yield _Object(self, place, size_bytes, generation, self._rules.idle_seconds)

    async def read(self, place: ObjectPlace, generation: str, start: int, end: int) -> bytes:
        """A part of one generation of an object. Raises what gcsfs raises."""
        files = await self._storage()
        url = files.url(f"{place.bucket}/{place.key}", generation=generation)
        _, data = await files._call("GET", url, headers={"Range": f"bytes={start}-{end - 1}"})
        return bytes(data)

    async def _storage(self) -> Any:
        """The file system of gcsfs; its call and url are used for what its cat_file leaves out: one generation."""
        if self._files is None:
            self._files = await asyncio.to_thread(self._connect)
        return self._files

    def _connect(self) -> Any:
        return importlib.import_module("gcsfs").GCSFileSystem(
            asynchronous=True,
            skip_instance_cache=True,
            access="read_only",
            token="anon" if self._rules.gs_anonymous else "google_default",
            endpoint_url=self._rules.gs_endpoint or None,
            requests_timeout=self._rules.idle_seconds,
        )


class _Object:
    """One generation of an object: what is written to it later is another one."""

    has_ranges = True

    def __init__(
        self, source: GsSource, place: ObjectPlace, size_bytes: int, generation: str, idle_seconds: float
    ) -> None:
        self._source, self._place, self._generation = source, place, generation
        self._idle_seconds = idle_seconds
        self.size_bytes: int | None = size_bytes

    async def pieces(self, start: int, end: int | None) -> AsyncGenerator[bytes, None]:
        end = min(end or self.size_bytes or 0, start + _REQUEST_BYTES)
        with self._source.fetches.request("gs") as fetch:
            try:
                async with troubles_named(self._idle_seconds):
                    data = await self._source.read(self._place, self._generation, start, end)
            except failures.VideoNotFound:  # it was there when it was opened
                raise object_changed() from None
            fetch.arrived(len(data))
            if len(data) != end - start:
                raise object_invalid()
        yield data

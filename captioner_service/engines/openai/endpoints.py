"""Several endpoints of one model: the least busy is asked, one in trouble is left alone for a while."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Collection, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from urllib.parse import urlsplit

import openai

from vidtomusictags.rpc.telemetry import SILENT, Telemetry
from vidtomusictags.rpc.upstream_meter import UpstreamMeter


@dataclass(eq=False)
class Endpoint:
    """One base URL. resting_until: monotonic seconds before which it is asked only if there is no other."""

    url: str
    client: openai.AsyncOpenAI
    telemetry: Telemetry = SILENT
    running: int = 0
    resting_until: float = 0.0

    def __post_init__(self) -> None:
        self.meter = UpstreamMeter(self.host, self.telemetry)

    @property
    def host(self) -> str:
        """Where it is, and nothing else that its URL may hold."""
        parts = urlsplit(self.url)
        return parts.netloc.rpartition("@")[2]

    @property
    def rests(self) -> bool:
        return time.monotonic() < self.resting_until

    def rest(self, seconds: float) -> None:
        """Leaves it alone for so long."""
        self.resting_until = time.monotonic() + seconds


class Endpoints:
    """Lends endpoints, at most `at_most` clips to each at once. Used on one event loop."""

    def __init__(self, endpoints: Sequence[Endpoint], *, at_most: int) -> None:
        self.all = tuple(endpoints)
        self._at_most = at_most
        self._given_back = asyncio.Condition()

    @property
    def capacity(self) -> int:
        """Clips that may run at once."""
        return self._at_most * len(self.all)

    @asynccontextmanager
    async def borrowed(self, *, tried: Collection[Endpoint] = ()) -> AsyncIterator[Endpoint]:
        """The least busy endpoint for the length of the block, once one is free; those in `tried` come last."""
        async with self._given_back:
            while not (free := [endpoint for endpoint in self.all if endpoint.running < self._at_most]):
                await self._given_back.wait()
            chosen = min(free, key=lambda one: (one.rests, one in tried, one.running))
            chosen.running += 1
        try:
            yield chosen
        finally:
            chosen.running -= 1
            async with self._given_back:
                self._given_back.notify()

    async def close(self) -> None:
        """Closes all connections."""
        for endpoint in self.all:
            await endpoint.client.close()

"""Refusing a stream once its first message is here: a caller that is still writing it might not hear the reason."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterable
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from typing import Any

from vidtomusictags.rpc.deadlines import remaining_seconds
from vidtomusictags.rpc.failures import Failure
from vidtomusictags.rpc.layers import Layer

_FIRST_MESSAGE_SECONDS = 1.0
"""How long a call that is refused waits for it, at most half of what its deadline leaves."""
_MOST_WAITING = 64
"""Calls that may wait at once, each for a message of at most 4 MiB; more are refused on the spot. With 50 ms between
caller and server that is enough for 1,280 refusals a second."""


class Refusals:
    """The layers that may refuse a call after its caller is known. Used on one event loop.

    grpc.aio tells a caller whose write fails that it broke, over the status that came before (grpc/grpc#36066). By the
    contract a stream sends one message and waits; so what is refused has that read and thrown away, and then hears why.
    streaming: full names of the methods whose callers send a stream. Of other calls the message travels with the call.
    """

    def __init__(self, layers: Iterable[Layer], *, streaming: Iterable[str]) -> None:
        self._layers = tuple(layers)
        self._streaming = frozenset(streaming)
        self._waiting = 0

    @asynccontextmanager
    async def layer(self, method: str, context: Any) -> AsyncIterator[None]:
        """Runs the call inside the layers; raises what one of them refuses it with."""
        try:
            async with AsyncExitStack() as entering:
                for layer in self._layers:
                    await entering.enter_async_context(layer(method, context))
                entered = entering.pop_all()
        except Failure:
            if method in self._streaming and self._waiting < _MOST_WAITING:
                await self._throw_away_one(context)
            raise
        async with entered:
            yield

    async def _throw_away_one(self, context: Any) -> None:
        self._waiting += 1
        try:
            # Whatever is wrong with the message, or where none comes, the caller hears the refusal.
            with suppress(Exception):
                async with asyncio.timeout(min(_FIRST_MESSAGE_SECONDS, remaining_seconds() / 2)):
                    await context.read()
        finally:
            self._waiting -= 1

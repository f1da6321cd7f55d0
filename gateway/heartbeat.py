"""Keeps a caller informed while nothing happens."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator

from gateway.events import Event, Progressed


async def with_heartbeat(events: AsyncGenerator[Event, None], *, every_seconds: float) -> AsyncGenerator[Event, None]:
    """The events as they come; whenever none came for `every_seconds`, the latest progress again.

    Before the first progress there is nothing to repeat; so work that may be slow begins with one. What waits for the
    next event is never cancelled and begun anew, because not everything can be.
    """
    latest: Progressed | None = None
    coming: asyncio.Task[Event] | None = None
    try:
        while True:
            coming = asyncio.create_task(_next_of(events))
            while not (await asyncio.wait({coming}, timeout=every_seconds))[0]:
                if latest is not None:
                    yield latest
            try:
                event = coming.result()
            except StopAsyncIteration:
                return
            latest = event if isinstance(event, Progressed) else latest
            yield event
    finally:
        if coming is not None:
            coming.cancel()
            await asyncio.gather(coming, return_exceptions=True)
        await events.aclose()


async def _next_of(events: AsyncGenerator[Event, None]) -> Event:
    return await anext(events)

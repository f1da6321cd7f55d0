"""Who may come in: a bounded number of calls, none before the server is ready, none once it drains."""

from __future__ import annotations

import asyncio
import contextlib
import enum
import random
from collections.abc import AsyncIterator, Callable, Iterable
from contextlib import asynccontextmanager
from typing import Any

from vidtomusictags.rpc import failures

WAIT_SHARE = 0.5
"""Of the time that a caller has left, what it may spend in a line. The rest is for the work itself, and for being wrong
about how long those ahead take; and what is accepted is answered well within its deadline, however much is refused."""


class _State(enum.Enum):
    LOADING = enum.auto()
    READY = enum.auto()
    DRAINING = enum.auto()


def with_jitter(seconds: float) -> float:
    """Between a half and one and a half times as long: gRPC clients wait exactly what they are told (gRFC A6)."""
    return seconds * (0.5 + random.random())  # noqa: S311  # spreads retries, keeps no secret


def there_is_room() -> None:
    """The check of a service that queues nothing."""


class Admission:
    """Counts the calls of one server. Used on its event loop only.

    max_calls: calls that may run at once. uncounted: full names of methods that cost nothing and take no slot.
    check_room: raises the failure of a call for which something behind the slots has no room now.
    """

    def __init__(
        self, *, max_calls: int, uncounted: Iterable[str] = (), check_room: Callable[[], None] = there_is_room
    ) -> None:
        self._max_calls = max_calls
        self._check_room = check_room
        self._uncounted = frozenset(uncounted)
        self._state = _State.LOADING
        self._empty = asyncio.Event()
        self._empty.set()
        self.running = 0

    @property
    def ready(self) -> bool:
        """Whether calls come in, as far as there is room."""
        return self._state is _State.READY

    def open(self) -> None:
        """From now on calls come in, unless the server drains."""
        if self._state is not _State.DRAINING:
            self._state = _State.READY

    def close(self) -> None:
        """From now on calls are asked to come back later, until `open`; those inside go on."""
        if self._state is not _State.DRAINING:
            self._state = _State.LOADING

    def drain(self) -> None:
        """From now on none does; those inside go on."""
        self._state = _State.DRAINING

    async def emptied(self, *, within_seconds: float) -> None:
        """Returns when no call runs any more, or when the time is over."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(within_seconds):
                await self._empty.wait()

    @asynccontextmanager
    async def layer(self, method: str, context: Any) -> AsyncIterator[None]:
        """Refuses a call at once or holds a slot for it until it ends."""
        if self._state is _State.LOADING:
            raise failures.Loading("The server is still loading; try again.", retry_after_seconds=with_jitter(1.0))
        if self._state is _State.DRAINING:
            raise failures.Draining(
                "The server is shutting down; try again on another.", retry_after_seconds=with_jitter(0.2)
            )
        if method in self._uncounted:
            yield
            return
        if self.running >= self._max_calls:
            raise failures.StreamsFull(
                f"All {self._max_calls} slots are taken; try again after the delay.",
                retry_after_seconds=with_jitter(0.5),
            )
        self._check_room()
        self.running += 1
        self._empty.clear()
        try:
            yield
        finally:
            self.running -= 1
            if not self.running:
                self._empty.set()

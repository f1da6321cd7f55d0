"""A time limit that can be suspended."""

from __future__ import annotations

import asyncio
from types import TracebackType
from typing import Self


class Patience:
    """As asyncio.timeout(seconds), of which no second passes while it is suspended."""

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds
        self._timeout = asyncio.timeout(seconds)

    def suspend(self, suspended: bool) -> None:
        """Stops the clock, or lets it go on."""
        if self._timeout.expired():
            return
        now, ends = asyncio.get_running_loop().time(), self._timeout.when()
        if suspended and ends is not None:
            self._seconds = max(0.0, ends - now)
            self._timeout.reschedule(None)
        elif not suspended and ends is None:
            self._timeout.reschedule(now + self._seconds)

    async def __aenter__(self) -> Self:
        await self._timeout.__aenter__()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._timeout.__aexit__(kind, error, trace)

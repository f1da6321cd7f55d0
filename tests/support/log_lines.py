"""The log of the process under test, read back line by line as it is written."""

from __future__ import annotations

import asyncio
import io
import json
from typing import Any


class LogStream(io.StringIO):
    """Takes the lines in, and wakes whoever waits for the next one. Written to on the event loop alone."""

    def __init__(self) -> None:
        super().__init__()
        self.written: asyncio.Event | None = None

    def write(self, text: str) -> int:
        count = super().write(text)
        if self.written is not None:
            self.written.set()
        return count


class LogLines:
    """The lines that were written since this object was made."""

    def __init__(self, stream: LogStream) -> None:
        self._stream = stream
        self._start = len(stream.getvalue())

    @property
    def text(self) -> str:
        return self._stream.getvalue()[self._start :]

    @property
    def all(self) -> list[dict[str, Any]]:
        """Every line."""
        return [json.loads(line) for line in self.text.splitlines()]

    def of(self, event: str, **facts: object) -> list[dict[str, Any]]:
        """The lines of an event that have these facts."""
        return [line for line in self.all if line["event"] == event and facts.items() <= line.items()]

    async def wait_for(self, event: str, *, count: int = 1, **facts: object) -> list[dict[str, Any]]:
        """The same, as soon as there are `count` of them; the last thing a call does is to write its line."""
        async with asyncio.timeout(10):
            while len(lines := self.of(event, **facts)) < count:
                await self.next_line()
        return lines

    async def next_line(self) -> None:
        """Returns when something more is written."""
        self._stream.written = asyncio.Event()
        await self._stream.written.wait()

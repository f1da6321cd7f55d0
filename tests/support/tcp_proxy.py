"""A relay of TCP on loopback that can go silent or cut everything off, as networks and hosts do."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress


class TcpProxy:
    """Relays bytes to `target` until it is told otherwise. Used on one event loop.

    target: `host:port`. address: where it listens itself.
    """

    def __init__(self, target: str) -> None:
        host, _, port = target.rpartition(":")
        self._target = (host, int(port))
        self._server: asyncio.Server | None = None
        self._tasks: set[asyncio.Task[None]] = set()
        self._writers: set[asyncio.StreamWriter] = set()
        self._passing = asyncio.Event()
        self._passing.set()
        self._closed = False
        self.address = ""

    async def listen(self, host: str = "127.0.0.1", port: int = 0) -> None:
        """From now on connections are taken."""
        self._server = await asyncio.start_server(self._accepted, host, port)
        self.address = "{}:{}".format(*self._server.sockets[0].getsockname())

    def go_silent(self) -> None:
        """From now on nothing passes in either direction, and nobody is told: connections are half-open."""
        self._passing.clear()

    def speak_again(self) -> None:
        """What was held back passes, and what comes."""
        self._passing.set()

    def cut(self) -> None:
        """Ends all connections at once; new ones are still taken."""
        for writer in self._writers:
            writer.transport.abort()

    async def close(self) -> None:
        """Ends all connections and refuses new ones."""
        assert self._server is not None
        self._server.close()
        self._closed = True
        self.cut()
        for task in list(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    def _accepted(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if self._closed:  # it had been taken already, and is told of only now
            writer.transport.abort()
            return
        task = asyncio.create_task(self._relay(reader, writer))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        task.add_done_callback(lambda _: writer.transport.abort())  # also where it was ended before it began

    async def _relay(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writers = {writer}
        self._writers |= writers
        try:
            with suppress(OSError):
                inner_reader, inner_writer = await asyncio.open_connection(*self._target)
                writers.add(inner_writer)
                self._writers.add(inner_writer)
                async with asyncio.TaskGroup() as group:
                    group.create_task(self._pass_on(reader, inner_writer))
                    group.create_task(self._pass_on(inner_reader, writer))
        finally:
            self._writers -= writers
            for one in writers:
                one.transport.abort()

    async def _pass_on(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(ConnectionError):
            while data := await reader.read(65536):
                await self._passing.wait()
                writer.write(data)
                await writer.drain()
            await self._passing.wait()
        with suppress(OSError):
            writer.close()


@asynccontextmanager
async def proxying(target: str, *, host: str = "127.0.0.1", port: int = 0) -> AsyncIterator[TcpProxy]:
    """A proxy in front of `target` for the length of the block."""
    proxy = TcpProxy(target)
    await proxy.listen(host, port)
    try:
        yield proxy
    finally:
        await proxy.close()

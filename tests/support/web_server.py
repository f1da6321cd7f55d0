"""A web server on loopback that answers as it is told to, well or badly, by TLS or in plaintext."""

from __future__ import annotations

import asyncio
import re
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field

import trustme


@dataclass(frozen=True)
class Request:
    """What a client asked for; names of headers in lower case."""

    target: str
    headers: dict[str, str]

    @property
    def range(self) -> tuple[int, int] | None:
        """The first and the last byte asked for."""
        found = re.fullmatch(r"bytes=(\d+)-(\d+)", self.headers.get("range", ""))
        return (int(found[1]), int(found[2])) if found else None


Answer = Callable[[Request, asyncio.StreamWriter], Awaitable[None]]


@dataclass
class WebServer:
    """answers: by path. requests: all that came, in order. connections: how many were made."""

    scheme: str = "http"
    port: int = 0
    answers: dict[str, Answer] = field(default_factory=dict)
    requests: list[Request] = field(default_factory=list)
    connections: int = 0
    body_bytes: int = 0

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        try:
            with suppress(ConnectionError, asyncio.IncompleteReadError, ssl.SSLError):
                while head := await reader.readuntil(b"\r\n\r\n"):
                    first, *lines = head.decode("latin-1").split("\r\n")[:-2]
                    headers = {name.lower(): value.strip() for name, _, value in (one.partition(":") for one in lines)}
                    request = Request(first.split(" ")[1], headers)
                    self.requests.append(request)
                    answer = self.answers.get(request.target.partition("?")[0], status(404))
                    await answer(request, writer)
                    await writer.drain()
        finally:
            writer.close()


def head(code: int, headers: dict[str, object], length: int | None = None) -> bytes:
    """The head of an answer. length: of the body, told unless it is None."""
    lines = [f"HTTP/1.1 {code} Whatever", *(f"{name}: {value}" for name, value in headers.items())]
    lines += [] if length is None else [f"Content-Length: {length}"]
    return "\r\n".join([*lines, "", ""]).encode()


def status(code: int, **headers: object) -> Answer:
    """Nothing but a status."""

    async def answer(request: Request, writer: asyncio.StreamWriter) -> None:
        writer.write(head(code, {name.replace("_", "-"): value for name, value in headers.items()}, 0))

    return answer


def whole(data: bytes, *, length: int | None = -1, **headers: object) -> Answer:
    """The whole file whatever is asked for. length: as told; None: the end is told by closing."""

    async def answer(request: Request, writer: asyncio.StreamWriter) -> None:
        told = len(data) if length == -1 else length
        more = {} if told is not None else {"Connection": "close"}
        writer.write(head(200, {name.replace("_", "-"): value for name, value in headers.items()} | more, told) + data)
        if told != len(data):
            writer.close()

    return answer


def ranged(data: bytes, etag: str = '"one"', server: WebServer | None = None) -> Answer:
    """A server as it should be."""

    async def answer(request: Request, writer: asyncio.StreamWriter) -> None:
        asked, told = request.range, {"ETag": etag} if etag else {}
        if asked is None or request.headers.get("if-range", etag) != etag:
            writer.write(head(200, dict(told), len(data)) + data)
            return
        start, last = asked[0], min(asked[1], len(data) - 1)
        if start >= len(data):
            writer.write(head(416, {"Content-Range": f"bytes */{len(data)}"}, 0))
            return
        if server is not None:
            server.body_bytes += last + 1 - start
        facts = told | {"Content-Range": f"bytes {start}-{last}/{len(data)}"}
        writer.write(head(206, dict(facts), last + 1 - start) + data[start : last + 1])

    return answer


def partly(code: int, body: bytes, length: int | None = -1, **headers: object) -> Answer:
    """Exactly this, whatever is asked for."""

    async def answer(request: Request, writer: asyncio.StreamWriter) -> None:
        told = {name.replace("_", "-"): value for name, value in headers.items()}
        writer.write(head(code, told, len(body) if length == -1 else length) + body)
        if length != -1:
            writer.close()

    return answer


def dripping(data: bytes, *, pause_seconds: float) -> Answer:
    """A byte at a time."""

    async def answer(request: Request, writer: asyncio.StreamWriter) -> None:
        writer.write(head(200, {}, len(data)))
        for position in range(len(data)):
            writer.write(data[position : position + 1])
            await writer.drain()
            await asyncio.sleep(pause_seconds)

    return answer


def in_turn(*answers: Answer) -> Answer:
    """One answer after the other; the last one for ever."""
    left = list(answers)

    async def answer(request: Request, writer: asyncio.StreamWriter) -> None:
        await (left.pop(0) if len(left) > 1 else left[0])(request, writer)

    return answer


@asynccontextmanager
async def serving_web(
    authority: trustme.CA | None = None, *, names: tuple[str, ...] = ("localhost", "127.0.0.1")
) -> AsyncIterator[WebServer]:
    """A server on a free port; by TLS with a certificate for the names where there is an authority."""
    context = None
    if authority is not None:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        authority.issue_cert(*names).configure_cert(context)
    server = WebServer("http" if authority is None else "https")
    tasks: set[asyncio.Task[None]] = set()

    def begin(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.create_task(server.serve(reader, writer))
        tasks.add(task)
        task.add_done_callback(tasks.discard)

    listening = await asyncio.start_server(begin, "127.0.0.1", 0, ssl=context)
    server.port = listening.sockets[0].getsockname()[1]
    try:
        yield server
    finally:
        listening.close()
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

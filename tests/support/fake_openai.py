"""A server that speaks OpenAI's protocol on loopback, does what its script says, and keeps what came over the wire.

It is written on bare sockets, because no HTTP library lets a server do half of what it must: hang, trickle, break off.
"""

from __future__ import annotations

import asyncio
import json
import re
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from typing import Any

Body = dict[str, Any]


@dataclass
class Exchange:
    """One request, and the means to answer it. closed: set when the client hung up before its answer was whole."""

    path: str
    headers: Mapping[str, str]
    body: Body
    reader: asyncio.StreamReader = field(repr=False)
    writer: asyncio.StreamWriter = field(repr=False)
    closed: asyncio.Event = field(default_factory=asyncio.Event)

    @property
    def messages(self) -> list[Body]:
        messages: list[Body] = self.body["messages"]
        return messages

    async def send(self, status: int, content: object, headers: Mapping[str, str] | None = None) -> None:
        """A whole response with a JSON body."""
        await self.send_bytes(status, json.dumps(content).encode(), headers)

    async def send_bytes(self, status: int, body: bytes, headers: Mapping[str, str] | None = None) -> None:
        self.begin(status, len(body), headers)
        self.writer.write(body)
        await self.writer.drain()

    def begin(self, status: int, length: int, headers: Mapping[str, str] | None = None) -> None:
        """The head of a response whose body follows."""
        lines = {"Content-Type": "application/json", "Content-Length": str(length), **(headers or {})}
        head = f"HTTP/1.1 {status} Scripted\r\n" + "".join(f"{name}: {value}\r\n" for name, value in lines.items())
        self.writer.write(f"{head}\r\n".encode())

    async def wait_for_hang_up(self) -> None:
        """Until the client closes the connection."""
        with suppress(ConnectionError):
            await self.reader.read(1)
        self.closed.set()


Step = Callable[[Exchange], Awaitable[None]]
"""What the server does with one request."""


class FakeOpenAI:
    """script: one step for each request; the last one is repeated."""

    def __init__(self, script: Sequence[Step]) -> None:
        self.script = list(script)
        self.exchanges: list[Exchange] = []
        self.asked = asyncio.Event()
        self.url = ""
        self.running = 0
        self.most_at_once = 0

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while exchange := await _read(reader, writer):
                step = self.script[min(len(self.exchanges), len(self.script) - 1)]
                self.exchanges.append(exchange)
                self.asked.set()
                self.running += 1
                self.most_at_once = max(self.most_at_once, self.running)
                try:
                    await step(exchange)
                finally:
                    self.running -= 1
        except (ConnectionError, asyncio.IncompleteReadError):
            pass
        finally:
            writer.close()


@asynccontextmanager
async def fake_openai(*script: Step) -> AsyncIterator[FakeOpenAI]:
    """Listens on 127.0.0.1 while the block runs."""
    fake = FakeOpenAI(script)
    tasks: set[asyncio.Task[None]] = set()

    def connected(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.create_task(fake.serve(reader, writer))
        tasks.add(task)
        task.add_done_callback(tasks.discard)

    server = await asyncio.start_server(connected, "127.0.0.1", 0)
    fake.url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/v1"
    try:
        yield fake
    finally:
        server.close()
        for task in list(tasks):
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        await server.wait_closed()


async def _read(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> Exchange | None:
    head = await reader.readuntil(b"\r\n\r\n")
    first, *lines = head.decode("latin-1").split("\r\n")
    headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines if line)}
    body = await reader.readexactly(int(headers.get("content-length", 0)))
    return Exchange(first.split()[1], headers, json.loads(body or b"{}"), reader, writer)


def completion(
    content: str | None,
    *,
    finish: str = "stop",
    refusal: str | None = None,
    usage: Body | None = None,
    logprobs: Sequence[tuple[str, float]] = (),
    tool: str = "",
) -> Body:
    """A chat completion as OpenAI writes one."""
    message: Body = {"role": "assistant", "content": content, "refusal": refusal}
    if tool:
        call = {"id": "call_1", "type": "function", "function": {"name": tool, "arguments": content}}
        message = {"role": "assistant", "content": None, "tool_calls": [call]}
    tokens: list[Body] = [
        {"token": token, "logprob": logprob, "bytes": None, "top_logprobs": []} for token, logprob in logprobs
    ]
    choice = {
        "index": 0,
        "message": message,
        "finish_reason": finish,
        "logprobs": {"content": tokens} if tokens else None,
    }
    counted = usage or {
        "prompt_tokens": 1000,
        "completion_tokens": 100,
        "total_tokens": 1100,
        "prompt_tokens_details": {"cached_tokens": 600},
    }
    return {
        "id": "chatcmpl-1",
        "object": "chat.completion",
        "created": 1,
        "model": "scripted",
        "choices": [choice],
        "usage": counted,
    }


def says(content: object, **other: Any) -> Step:
    """Answers with a text, or with an object as JSON."""

    async def step(exchange: Exchange) -> None:
        text = content if isinstance(content, str) else json.dumps(content, ensure_ascii=False)
        await exchange.send(200, completion(text, **other))

    return step


def refuses(words: str = "I can't help with that.") -> Step:
    """The model itself will not answer."""

    async def step(exchange: Exchange) -> None:
        await exchange.send(200, completion(None, refusal=words))

    return step


def fails(
    status: int,
    code: str = "",
    message: str = "boom",
    *,
    headers: Mapping[str, str] | None = None,
    param: str | None = None,
) -> Step:
    """An error as OpenAI writes one."""

    async def step(exchange: Exchange) -> None:
        error = {"message": message, "type": code or "server_error", "param": param, "code": code or None}
        await exchange.send(status, {"error": error}, headers)

    return step


async def hangs(exchange: Exchange) -> None:
    """Never answers."""
    await exchange.wait_for_hang_up()


async def drops(exchange: Exchange) -> None:
    """Closes the connection instead of answering."""
    exchange.writer.close()


async def breaks_off(exchange: Exchange) -> None:
    """Closes the connection in the middle of the body."""
    exchange.begin(200, 1000)
    exchange.writer.write(b'{"id": "chatcmpl-1", ')
    await exchange.writer.drain()
    exchange.writer.close()


async def sends_a_page(exchange: Exchange) -> None:
    """What a proxy says with a success."""
    await exchange.send_bytes(200, b"<html>Welcome</html>", {"Content-Type": "text/html"})


def drips(seconds_between_bytes: float) -> Step:
    """A body that comes byte by byte, so that no timeout of a single read ever ends it."""

    async def step(exchange: Exchange) -> None:
        exchange.begin(200, 100_000)
        gone = asyncio.ensure_future(exchange.wait_for_hang_up())
        try:
            while not gone.done():
                exchange.writer.write(b" ")
                await exchange.writer.drain()
                await asyncio.wait([gone], timeout=seconds_between_bytes)
        except ConnectionError:
            exchange.closed.set()
        finally:
            gone.cancel()

    return step


async def reads_words(exchange: Exchange) -> None:
    """A model that gives each tag whose description shares a word with the summary, and is unsure of all others."""
    system, user = exchange.messages[0]["content"], exchange.messages[1]["content"]
    before, _, rest = user.rpartition("<summary>\n")
    summary = rest.removesuffix("\n</summary>")
    lines = [json.loads(line) for line in f"{system}\n{before}".splitlines() if line.startswith('{"id"')]
    segments = re.findall(r'<segment number="(\d+)">\n(.*?)\n</segment>', summary, re.DOTALL)
    sentences = [one for text in ([t for _, t in segments] or [summary]) for one in _sentences(text)]
    answer = {
        "key_information": sentences[:2],
        "reasoning": "Words of the descriptions stand in the summary.",
        "tags": _shared_words(lines, sentences),
        "no_suitable_tag": [],
    }
    if segments:
        answer["segments"] = [
            {"segment": int(number), "reasoning": "", "tags": _shared_words(lines, _sentences(text))}
            for number, text in segments
        ]
    await exchange.send(200, completion(json.dumps(answer, ensure_ascii=False)))


def _sentences(text: str) -> list[str]:
    return [sentence.strip() for sentence in re.split(r"(?<=[.!?])\s+", text) if sentence.strip()]


def _shared_words(tags: Sequence[Body], sentences: Sequence[str]) -> list[Body]:
    found: list[Body] = []
    for tag in tags:
        stems = {word[:5].lower() for word in re.findall(r"\w{5,}", str(tag.get("description", tag["label"])))}
        told = [one for one in sentences if stems & {word[:5].lower() for word in re.findall(r"\w{5,}", one)}]
        confidence = 0.9 if told else 0.05
        found.append({"tag": tag["id"], "confidence": confidence, "evidence": [told[0] if told else sentences[0]]})
    if all(tag["confidence"] < 0.5 for tag in found):
        found = []
    return sorted(found, key=lambda tag: -tag["confidence"])

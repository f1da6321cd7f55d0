"""Handlers are generators, and somebody has to close them."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from types import SimpleNamespace
from typing import Any

import grpc

from vidtomusictags.rpc.layers import Layers


async def test_a_handler_of_a_caller_that_left_is_closed_at_once() -> None:
    """Not when a garbage collector comes round to it: a slot of the model hangs on it."""
    closed: list[str] = []

    async def endless(request: bytes, context: Any) -> AsyncIterator[bytes]:
        try:
            while True:
                yield b"x"
        finally:
            closed.append("handler")

    @asynccontextmanager
    async def layer(method: str, context: Any) -> AsyncIterator[None]:
        try:
            yield
        finally:
            closed.append("layer")

    async def found(_: object) -> Any:
        return grpc.unary_stream_rpc_method_handler(endless)

    async def requests() -> AsyncIterator[bytes]:
        yield b""

    details: Any = SimpleNamespace(method="/a.Service/Method")
    handler: Any = await Layers([layer]).intercept_service(found, details)
    inside = handler.stream_stream(requests(), None)
    assert await anext(inside) == b"x"
    await inside.aclose()
    assert closed == ["handler", "layer"]


async def test_a_caller_that_leaves_a_real_server_ends_its_handler() -> None:
    closed = asyncio.Event()

    async def endless(request: bytes, context: Any) -> AsyncIterator[bytes]:
        try:
            while True:
                yield b"x"
                await asyncio.sleep(0.01)
        finally:
            closed.set()

    server = grpc.aio.server(interceptors=[Layers([])])
    handlers = {"Method": grpc.unary_stream_rpc_method_handler(endless)}
    server.add_generic_rpc_handlers([grpc.method_handlers_generic_handler("a.Service", handlers)])
    port = server.add_insecure_port("127.0.0.1:0")
    await server.start()
    try:
        async with grpc.aio.insecure_channel(f"127.0.0.1:{port}") as channel:
            call = channel.unary_stream("/a.Service/Method")(b"")
            assert await call.read() == b"x"
            call.cancel()
            await asyncio.wait_for(closed.wait(), 5)
    finally:
        await server.stop(0)

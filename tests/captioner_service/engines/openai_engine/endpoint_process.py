"""Starts endpoints, asks them what came, and describers that use them."""

from __future__ import annotations

import asyncio
import json
import sys
import urllib.request
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Any

from captioner_service.engines.openai.describer import OpenAIDescriber, OpenAIOptions
from vidtomusictags.rpc.telemetry import SILENT, Telemetry

SERVER = Path(__file__).parent / "endpoint_server.py"


class EndpointProcess:
    """A running endpoint."""

    def __init__(self, process: asyncio.subprocess.Process, port: int) -> None:
        self.process = process
        self.url = f"http://127.0.0.1:{port}/v1"

    async def log(self) -> dict[str, Any]:
        """What came, and how much of it at once."""

        def read() -> dict[str, Any]:
            with urllib.request.urlopen(self.url.removesuffix("/v1") + "/log", timeout=5) as reply:
                content: dict[str, Any] = json.load(reply)
            return content

        return await asyncio.to_thread(read)


@asynccontextmanager
async def endpoint(script: str = "ok") -> AsyncIterator[EndpointProcess]:
    """An endpoint for the length of the block."""
    process = await asyncio.create_subprocess_exec(
        sys.executable, str(SERVER), script, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.DEVNULL
    )
    assert process.stdout is not None
    try:
        yield EndpointProcess(process, int(await process.stdout.readline()))
    finally:
        if process.returncode is None:
            process.kill()
        await process.wait()


def options_for(*urls: str, **other: Any) -> OpenAIOptions:
    """Options with the given endpoints."""
    values: dict[str, Any] = {
        "base_urls": urls,
        "model": "",
        "api_key": "sk-secret",
        "max_concurrent": 8,
        "attempts": 3,
        "max_queued": 32,
        "max_frames": 16,
        "default_frames": 8,
        "max_new_tokens": 256,
        "frame_short_side_pixels": 64,
        "load_seconds": 60.0,
    }
    return OpenAIOptions(**{**values, **other})


@asynccontextmanager
async def asking(
    *scripts: str, telemetry: Telemetry = SILENT, **other: Any
) -> AsyncIterator[tuple[OpenAIDescriber, list[EndpointProcess]]]:
    """A loaded describer in front of an endpoint for each script."""
    async with AsyncExitStack() as stack:
        endpoints = [await stack.enter_async_context(endpoint(script)) for script in scripts]
        describer = OpenAIDescriber(options_for(*(one.url for one in endpoints), **other), telemetry)
        await stack.enter_async_context(describer.alive())
        await describer.load()
        yield describer, endpoints

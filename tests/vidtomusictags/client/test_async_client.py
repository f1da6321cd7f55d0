"""What only the asynchronous client does."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import pytest

from vidtomusictags import AsyncClient


async def test_calls_run_at_once_over_one_client(fakes: str, script: Any, tmp_path: Path) -> None:
    paths = [tmp_path / f"{number}.mp4" for number in range(5)]
    for number, path in enumerate(paths):
        path.write_bytes(bytes([number]) * 300_000)
    async with AsyncClient(fakes) as client:
        tagged = await asyncio.gather(*(client.tag(path, request_id=path.name) for path in paths))
    assert [one.request_id for one in tagged] == [path.name for path in paths]
    assert sorted(script.uploads) == [path.read_bytes() for path in paths]


async def test_a_cancelled_caller_cancels_the_call(fakes: str, script: Any) -> None:
    script.hang = True
    async with AsyncClient(fakes) as client:
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.3):
                await client.tag("file:///a.mp4")
    # The fake's handler waits for the end of its call: the fixture could not stop the server were it still open.

"""Calls that nobody reads any more end on the other side too."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from log_lines import LogLines

from vidtomusictags.client.asynchronous import AsyncClient

METHOD = "/vidtomusictags.gateway.v1.TaggingService/TagVideo"


async def test_a_caller_that_fails_in_the_middle_ends_the_work_for_it(gateway: Any, logs: LogLines) -> None:
    gateway.captioner.on_frames = asyncio.Event().wait

    def fail(progress: object) -> None:
        raise RuntimeError("the caller's own fault")

    async with AsyncClient(f"127.0.0.1:{gateway.port}") as client:
        with pytest.raises(RuntimeError, match="own fault"):
            await client.tag(f"file://{gateway.root}/film.mp4", on_progress=fail)
        (line,) = await logs.wait_for("answered", method=METHOD)  # while the client goes on
        assert line["code"] == "CANCELLED"

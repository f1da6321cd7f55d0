"""Frames become pictures on few threads, and what waits there is counted."""

from __future__ import annotations

import asyncio
import io
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest
from PIL import Image

from captioner_service import decoding as module
from captioner_service.decoding import Decoding
from captioner_service.frames import EncodedFrame, Encoding, FrameFormat
from vidtomusictags.rpc.failures import FrameInvalid, QueueFull, WouldMissDeadline

JPEG = FrameFormat(Encoding.JPEG, None)


def picture() -> bytes:
    data = io.BytesIO()
    Image.new("RGB", (32, 16), (10, 20, 30)).save(data, "JPEG")
    return data.getvalue()


FRAMES = [EncodedFrame(0, 0.0, picture())]


class Held:
    """One thread that decodes nothing before it may."""

    def __init__(self, pool: ThreadPoolExecutor) -> None:
        self.go = threading.Event()
        pool.submit(self.go.wait, 30)
        self.decoding = Decoding(pool, threads=1, max_queued=1)


@pytest.fixture
def held() -> Iterator[Held]:
    with ThreadPoolExecutor(1) as pool:
        one = Held(pool)
        try:
            yield one
        finally:
            one.go.set()


async def test_one_clip_too_many_is_refused_and_not_held_by_anybody(held: Held) -> None:
    waiting = [asyncio.create_task(held.decoding.decode(FRAMES, JPEG, within_seconds=30.0)) for _ in range(2)]
    await asyncio.sleep(0)
    with pytest.raises(QueueFull) as refused:
        held.decoding.check(within_seconds=30.0)
    assert refused.value.retry_after_seconds
    held.go.set()
    for pictures in await asyncio.gather(*waiting):
        assert pictures.shape == (1, 16, 32, 3)
    held.decoding.check(within_seconds=30.0)


async def test_a_clip_whose_caller_has_gone_is_not_decoded(held: Held, monkeypatch: pytest.MonkeyPatch) -> None:
    decoded: list[int] = []
    monkeypatch.setattr(module, "decode_frames", lambda frames, format: decoded.append(len(frames)))
    gone, stays = (
        asyncio.create_task(held.decoding.decode(FRAMES * count, JPEG, within_seconds=30.0)) for count in (2, 1)
    )
    await asyncio.sleep(0)
    gone.cancel()
    await asyncio.wait({gone})
    held.go.set()
    await stays
    assert decoded == [1]


async def test_who_would_wait_too_long_is_refused_at_once(held: Held, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_timed", lambda frames, format: (None, 3.0))
    held.go.set()
    await held.decoding.decode(FRAMES, JPEG, within_seconds=30.0)  # now it knows that a clip takes 3 s
    held.go.clear()
    held.decoding._pool.submit(held.go.wait, 30)
    waiting = asyncio.create_task(held.decoding.decode(FRAMES, JPEG, within_seconds=30.0))
    await asyncio.sleep(0)
    held.decoding.check(within_seconds=6.5)
    with pytest.raises(WouldMissDeadline):
        held.decoding.check(within_seconds=5.5)
    held.go.set()
    await waiting


async def test_a_clip_that_cannot_be_read_leaves_no_trace(held: Held) -> None:
    held.go.set()
    with pytest.raises(FrameInvalid):
        await held.decoding.decode([EncodedFrame(0, 0.0, b"no picture")], JPEG, within_seconds=30.0)
    for _ in range(3):
        await held.decoding.decode(FRAMES, JPEG, within_seconds=30.0)

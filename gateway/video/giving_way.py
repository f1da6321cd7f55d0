"""Sampling a video that still arrives without being in anybody's way."""

from __future__ import annotations

import asyncio
from pathlib import Path

from gateway.video.supplying import ArrivingVideo


class GaveWay(Exception):
    """A job stopped waiting for its bytes, because another video needs its worker now."""


class YieldingVideo:
    """An arriving video whose job waits for bytes only until it is asked to give way."""

    def __init__(self, video: ArrivingVideo) -> None:
        self._video = video
        self._asked = asyncio.Event()
        self.in_order = video.in_order

    @property
    def path(self) -> Path:
        return self._video.path

    @property
    def size_bytes(self) -> int:
        return self._video.size_bytes

    @property
    def is_asked(self) -> bool:
        """Whether the job is to end at the next byte that is not there."""
        return self._asked.is_set()

    def give_way(self) -> None:
        """Ends the job now if it waits for bytes, else as soon as it does."""
        self._asked.set()

    async def until_there(self, start: int, end: int) -> int:
        """As `ArrivingVideo.until_there`. Raises GaveWay besides."""
        coming = asyncio.ensure_future(self._video.until_there(start, end))
        asked = asyncio.ensure_future(self._asked.wait())
        try:
            await asyncio.wait({coming, asked}, return_when=asyncio.FIRST_COMPLETED)
            if not coming.done():
                raise GaveWay
            return coming.result()
        finally:
            asked.cancel()
            coming.cancel()
            await asyncio.gather(coming, asked, return_exceptions=True)

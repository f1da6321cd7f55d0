"""Clips that wait together are described together: a bounded queue in front of the one thread that owns the model."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import TypeVar

import structlog

from captioner_service.clip import Caption, Clip
from captioner_service.describer import Condition, Described, Occupancy
from captioner_service.engines.engine import CaptionEngine, ModelCard
from captioner_service.line import Line
from vidtomusictags.rpc import failures

log = structlog.get_logger()

R = TypeVar("R")


@dataclass
class _Waiting:
    clip: Clip
    on_text: Callable[[str], None] | None
    done: asyncio.Future[Described]
    since: float
    heard: bool = False
    """Whether a piece of text has left; a clip is not described a second time after that."""


class Batcher:
    """A `Describer` for an engine that takes batches and blocks: clips that wait together go to it together.

    max_queued: clips that may wait; one more is refused at once. max_wait_seconds: how long the first clip of a batch
    waits for others; those already in the queue join without any wait.
    """

    def __init__(self, load: Callable[[], CaptionEngine], *, max_queued: int, max_wait_seconds: float) -> None:
        self._load = load
        self._queue: asyncio.Queue[_Waiting] = asyncio.Queue(max_queued)
        self._max_wait_seconds = max_wait_seconds
        self._engine: CaptionEngine | None = None
        self._line = Line(max_queued)
        self._describing = 0

    @asynccontextmanager
    async def alive(self) -> AsyncIterator[None]:
        """The thread and the loop of batches, for the length of the block; the engine is closed at its end."""
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="model")
        batches = asyncio.create_task(self._run())
        try:
            yield
        finally:
            batches.cancel()
            await asyncio.gather(batches, return_exceptions=True)
            if self._engine is not None:
                await self._on_thread(self._engine.close)
            self._thread.shutdown()

    async def load(self) -> ModelCard:
        """Loads the engine on its thread. Raises what the engine raises."""
        self._engine = await self._on_thread(self._load)
        return self._engine.card

    @property
    def card(self) -> ModelCard:
        """What is served. RuntimeError before `load` has returned."""
        if self._engine is None:
            raise RuntimeError("the engine is not loaded")
        return self._engine.card

    @property
    def queued(self) -> int:
        """Clips that wait."""
        return self._queue.qsize()

    @property
    def occupancy(self) -> Occupancy:
        """See `Describer`."""
        slots = self._engine.card.max_batch_clips if self._engine else 0
        return Occupancy(self.queued, self._describing, slots)

    async def conditions(self) -> AsyncIterator[Condition]:
        """None ever comes: a thread neither restarts nor ends by itself."""
        await asyncio.get_running_loop().create_future()
        yield Condition.READY

    def check(self, *, within_seconds: float) -> None:
        """See `Describer`."""
        held = self.queued + self._describing
        self._line.check(waiting=self.queued, held=held, slots=1, within_seconds=within_seconds)

    async def submit(
        self, clip: Clip, *, within_seconds: float, on_text: Callable[[str], None] | None = None
    ) -> Described:
        """Describes one clip. One whose caller has gone is never given to the engine.

        within_seconds: time left to the caller; a wait that would outlast it is refused at once. on_text: called on
        the event loop with each piece of text. Raises QueueFull, WouldMissDeadline or CaptioningFailed.
        """
        self.check(within_seconds=within_seconds)
        waiting = _Waiting(clip, on_text, asyncio.get_running_loop().create_future(), time.monotonic())
        self._queue.put_nowait(waiting)
        return await waiting.done

    async def _run(self) -> None:
        while True:
            batch = [item for item in await self._collect() if not item.done.done()]
            self._describing = len(batch)
            if batch:
                await self._describe(batch)
            self._describing = 0

    async def _collect(self) -> list[_Waiting]:
        """The next batch: everything that waits, and what comes within the wait, up to the engine's batch size."""
        batch = [await self._queue.get()]
        ends_at = time.monotonic() + self._max_wait_seconds
        while len(batch) < self.card.max_batch_clips:
            try:
                async with asyncio.timeout_at(asyncio.get_running_loop().time() + max(0.0, ends_at - time.monotonic())):
                    batch.append(await self._queue.get())
            except TimeoutError:
                break
        return batch

    async def _describe(self, batch: Sequence[_Waiting]) -> None:
        started = time.monotonic()
        try:
            captions = await self._on_thread(self._caption, batch)
        except Exception as error:
            log.warning("batch failed", clips=len(batch), exc_info=error)
            await self._describe_one_by_one(batch, error)
            return
        seconds = time.monotonic() - started
        self._line.learn(seconds / len(batch))
        for item, caption in zip(batch, captions, strict=True):
            if not item.done.done():
                item.done.set_result(Described(caption, started - item.since, seconds, len(batch)))

    async def _describe_one_by_one(self, batch: Sequence[_Waiting], error: Exception) -> None:
        """One bad clip fails alone: the others of its batch are asked again, each by itself."""
        for item in batch:
            if len(batch) > 1 and not item.heard and not item.done.done():
                await self._describe([item])
            elif not item.done.done():
                failure = (
                    error
                    if isinstance(error, failures.Failure)
                    else failures.CaptioningFailed(
                        "The model could not describe this clip; send other frames, or try again once."
                    )
                )
                item.done.set_exception(failure)

    def _caption(self, batch: Sequence[_Waiting]) -> list[Caption]:
        """On the model's thread."""
        assert self._engine is not None
        captions = self._engine.caption([item.clip for item in batch], self._teller(batch))
        if len(captions) != len(batch):
            raise RuntimeError(f"{len(batch)} clips went in, {len(captions)} captions came out")
        return captions

    def _teller(self, batch: Sequence[_Waiting]) -> Callable[[int, str], None]:
        def on_text(position: int, text: str) -> None:
            item = batch[position]
            item.heard = True
            if item.on_text is not None:
                item.done.get_loop().call_soon_threadsafe(item.on_text, text)

        return on_text

    async def _on_thread(self, call: Callable[..., R], *args: object) -> R:
        return await asyncio.get_running_loop().run_in_executor(self._thread, call, *args)

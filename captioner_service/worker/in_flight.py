"""Clips to a model in its own process: a bounded line in front of its slots, and no clip lost without a word."""

from __future__ import annotations

import asyncio
import itertools
import os
import time
from collections import deque
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import replace

from captioner_service.clip import Clip
from captioner_service.describer import Condition, Described, Occupancy
from captioner_service.engines.engine import ModelCard
from captioner_service.line import Line
from captioner_service.worker import pictures
from captioner_service.worker.canary import CanaryBook
from captioner_service.worker.messages import Add, Beat, Cancel, Done, Message, Ready, Rejected, Text
from captioner_service.worker.outcomes import Item, not_described, resolve, too_late, worker_lost
from captioner_service.worker.process import WorkerGone, WorkerProcess, WorkerSpec
from captioner_service.worker.supervisor import Patience, Supervisor
from vidtomusictags.rpc import failures
from vidtomusictags.rpc.metrics import NO_METER, Meter

_AHEAD = 2
"""Clips that the worker prepares while its slots are full."""


class InFlight:
    """A `Describer` whose model works on many clips at once. max_queued: clips that may wait; one more is refused."""

    def __init__(
        self,
        spec: WorkerSpec,
        *,
        max_queued: int,
        patience: Patience | None = None,
        canaries: CanaryBook | None = None,
        meter: Meter = NO_METER,
    ) -> None:
        self._supervisor = Supervisor(spec, self, patience or Patience(), canaries or CanaryBook(), meter)
        self._line = Line(max_queued)
        self._ids = itertools.count(1)
        self._entering = 0
        self._queue: deque[Item] = deque()
        self._sent: dict[int, Item] = {}
        self._worker: WorkerProcess | None = None
        self._card: ModelCard | None = None
        self._slots = 0
        self._given_up = False
        self._conditions: asyncio.Queue[Condition] = asyncio.Queue()

    @asynccontextmanager
    async def alive(self) -> AsyncIterator[None]:
        """See `Describer`."""
        self._loaded: asyncio.Future[ModelCard] = asyncio.get_running_loop().create_future()
        supervising = asyncio.create_task(self._supervisor.run())
        supervising.add_done_callback(self._supervisor_ended)
        try:
            yield
        finally:
            supervising.cancel()
            await asyncio.gather(supervising, return_exceptions=True)
            self._fail_all(failures.Draining("The server is shutting down; try again on another."))

    async def load(self) -> ModelCard:
        """See `Describer`."""
        return await self._loaded

    @property
    def card(self) -> ModelCard:
        """See `Describer`."""
        if self._card is None:
            raise RuntimeError("the engine is not loaded")
        return self._card

    @property
    def worker_pid(self) -> int | None:
        """The process that holds the model now."""
        return self._worker.pid if self._worker else None

    @property
    def held(self) -> int:
        """Clips that wait or are being described."""
        return self._entering + len(self._queue) + len(self._sent)

    @property
    def occupancy(self) -> Occupancy:
        """See `Describer`. Clips that the worker only prepares wait, too."""
        used = min(len(self._sent), self._slots)
        return Occupancy(self.held - used, used, self._slots)

    async def conditions(self) -> AsyncIterator[Condition]:
        """See `Describer`."""
        while True:
            yield await self._conditions.get()

    def check(self, *, within_seconds: float) -> None:
        """See `Describer`."""
        if self._given_up:
            raise worker_lost(5.0)
        self._line.check(
            waiting=len(self._queue) + self._entering,
            held=self.held,
            slots=self._slots,
            within_seconds=within_seconds,
        )

    async def submit(
        self, clip: Clip, *, within_seconds: float, on_text: Callable[[str], None] | None = None
    ) -> Described:
        """See `Describer`. Raises QueueFull, WouldMissDeadline, WorkerLost, InvalidRequest, DeadlineExceeded,
        OutOfMemory or CaptioningFailed."""
        self.check(within_seconds=within_seconds)
        since = time.monotonic()
        self._entering += 1
        try:
            file = await _shared(clip)
        finally:
            self._entering -= 1
        done: asyncio.Future[Described] = asyncio.get_running_loop().create_future()
        add = Add.of(next(self._ids), clip, seconds_left=within_seconds)
        item = Item(add, file, on_text, done, since, since + within_seconds)
        try:
            self._queue.append(item)
            self._dispatch()
            async with asyncio.timeout(within_seconds if within_seconds < float("inf") else None):
                return await done
        except TimeoutError:
            raise too_late() from None
        finally:
            self._withdraw(item)
            os.close(file)

    def _dispatch(self) -> None:
        while self._worker and self._queue and len(self._sent) < self._slots + _AHEAD:
            item = self._queue.popleft()
            now = time.monotonic()
            item.sent_at = now
            self._sent[item.add.id] = item
            try:
                self._worker.tell(replace(item.add, seconds_left=max(0.0, item.ends_at - now)), item.file)
            except WorkerGone:
                self._worker = None  # its supervisor is about to say so; what was sent is taken back then

    def _withdraw(self, item: Item) -> None:
        """The caller has its answer, or has gone. A worker keeps its place until it says that it is free."""
        if item in self._queue:
            self._queue.remove(item)
        elif item.add.id in self._sent and self._worker:
            try:
                self._worker.tell(Cancel(item.add.id))
            except WorkerGone:
                self._worker = None

    # What the supervisor tells.

    def on_ready(self, worker: WorkerProcess, ready: Ready) -> None:
        """See `Listener`."""
        self._worker, self._card = worker, ready.model_card()
        self._slots = self._card.max_batch_clips
        if self._loaded.done():
            self._conditions.put_nowait(Condition.READY)
        else:
            self._loaded.set_result(self._card)
        self._dispatch()

    def on_message(self, message: Message) -> None:
        """See `Listener`."""
        if isinstance(message, Text):
            item = self._sent.get(message.id)
            if item and item.on_text and not item.done.done():
                item.heard = True
                item.on_text(message.text)
        elif isinstance(message, Done):
            self._finish(message)
        elif isinstance(message, Rejected):
            item = self._sent.pop(message.id, None)
            if item and not item.done.done():
                item.done.set_exception(
                    failures.InvalidRequest(message.message, field=message.field)
                    if message.message
                    else not_described()
                )
            self._dispatch()
        elif isinstance(message, Beat):
            self._slots = message.slots

    def on_lost(self, why: str) -> None:
        """See `Listener`. What has told nothing yet goes to the front of the line again; the rest is told."""
        self._worker = None
        sent, self._sent = self._sent, {}
        for item in reversed(sent.values()):
            item.lives -= 1
            if item.done.done():
                continue
            if item.heard or item.lives < 1:
                item.done.set_exception(worker_lost(1.0))
            else:
                self._queue.appendleft(item)
        self._conditions.put_nowait(Condition.RESTARTING)

    def on_given_up(self, error: Exception) -> None:
        """See `Listener`."""
        self._given_up, self._worker = True, None
        if self._loaded.done():
            self._conditions.put_nowait(Condition.LOST)
        else:
            self._loaded.set_exception(error)
        self._fail_all(worker_lost(5.0))

    def _supervisor_ended(self, task: asyncio.Task[None]) -> None:
        """A fault of the supervisor itself must not leave callers waiting."""
        if not task.cancelled() and (error := task.exception()) is not None and isinstance(error, Exception):
            self.on_given_up(error)

    def _finish(self, message: Done) -> None:
        item = self._sent.pop(message.id, None)
        if item and not item.done.done():
            self._line.learn(message.prefill_seconds + message.decode_seconds)
            resolve(item, message)
        self._dispatch()

    def _fail_all(self, failure: failures.Failure) -> None:
        items = [*self._sent.values(), *self._queue]
        self._sent.clear()
        self._queue.clear()
        for item in items:
            if not item.done.done():
                item.done.set_exception(failure)


async def _shared(clip: Clip) -> int:
    """`pictures.share` on a thread. A caller who leaves meanwhile cannot stop it, and never sees what it opened."""
    sharing = asyncio.ensure_future(asyncio.to_thread(pictures.share, clip.frames))
    try:
        return await asyncio.shield(sharing)
    except asyncio.CancelledError:
        sharing.add_done_callback(_close)
        raise


def _close(sharing: asyncio.Future[int]) -> None:
    if not sharing.cancelled() and sharing.exception() is None:
        os.close(sharing.result())

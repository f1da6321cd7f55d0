"""Keeps one worker alive: watches it, ends it when it is stuck, starts it again with growing pauses and a budget."""

from __future__ import annotations

import asyncio
import enum
import time
from collections import deque
from dataclasses import dataclass
from typing import Protocol

import structlog

from captioner_service.worker.canary import CanaryBook
from captioner_service.worker.messages import Loading, Message, Ready, Refused
from captioner_service.worker.process import WorkerGone, WorkerProcess, WorkerSpec, WorkerStays, running_worker
from vidtomusictags.rpc.metrics import NO_METER, Meter
from vidtomusictags.rpc.work_metrics import RESTARTS

log = structlog.get_logger()

_PROGRESS_LOG_SECONDS = 2.0


@dataclass(frozen=True)
class Patience:
    """How long a worker may be silent and how often it may be lost.

    step_seconds: without a sign of life, once loaded; must exceed the longest prefill. restarts: within
    restart_window_seconds; one more loss and it is given up. Pauses double from first_pause_seconds.
    """

    load_seconds: float = 1800.0
    step_seconds: float = 60.0
    restarts: int = 5
    restart_window_seconds: float = 600.0
    first_pause_seconds: float = 0.5
    longest_pause_seconds: float = 30.0


class Cause(enum.StrEnum):
    """Why a worker was lost."""

    ENDED = "ended"
    """Its process ended: a crash, or somebody ended it."""
    TIMEOUT = "timeout"
    """It gave no sign of life, or took too long to load."""
    MALFORMED = "malformed"
    """It describes the fixed clip otherwise than before."""


@dataclass(frozen=True)
class Loss:
    """The end of a worker. why: in words, for the log."""

    cause: Cause
    why: str


class Listener(Protocol):
    """What is told of a worker's life."""

    def on_ready(self, worker: WorkerProcess, ready: Ready) -> None: ...

    def on_message(self, message: Message) -> None: ...

    def on_lost(self, why: str) -> None:
        """The worker is gone; another will come."""
        ...

    def on_given_up(self, error: Exception) -> None:
        """No other will come. ValueError: its settings are wrong."""
        ...


class Supervisor:
    """Runs workers one after another. A worker that cannot load at first is not tried again."""

    def __init__(
        self,
        spec: WorkerSpec,
        listener: Listener,
        patience: Patience,
        canaries: CanaryBook,
        meter: Meter = NO_METER,
    ) -> None:
        self._spec, self._listener, self._patience, self._canaries = spec, listener, patience, canaries
        self._meter = meter
        self._was_ready = False
        for cause in Cause:
            meter.add(RESTARTS, cause, by=0)

    async def run(self) -> None:
        """Until it is cancelled, or gives up."""
        losses: deque[float] = deque()
        while True:
            try:
                loss = await self._one_life()
            except (ValueError, WorkerStays) as error:
                self._listener.on_given_up(error)
                return
            if not self._was_ready:
                self._listener.on_given_up(RuntimeError(f"the model's process ended while loading: {loss.why}"))
                return
            self._meter.add(RESTARTS, loss.cause)
            self._listener.on_lost(loss.why)
            now = time.monotonic()
            losses.append(now)
            while losses[0] < now - self._patience.restart_window_seconds:
                losses.popleft()
            log.error("worker lost", why=loss.why, losses=len(losses), allowed=self._patience.restarts)
            if len(losses) > self._patience.restarts:
                self._listener.on_given_up(RuntimeError(f"the model's process was lost {len(losses)} times"))
                return
            pause = self._patience.first_pause_seconds * 2 ** (len(losses) - 1)
            await asyncio.sleep(min(pause, self._patience.longest_pause_seconds))

    async def _one_life(self) -> Loss:
        """From start to end of a worker. Raises ValueError for a setting that it refused."""
        async with running_worker(self._spec) as worker:
            try:
                async with asyncio.timeout(self._patience.load_seconds):
                    ready = await self._loaded(worker)
            except WorkerGone:
                return Loss(Cause.ENDED, f"it ended with status {await worker.end()}")
            except TimeoutError:
                return Loss(Cause.TIMEOUT, f"it was not ready after {self._patience.load_seconds:.0f} s")
            if fault := self._canaries.fault(ready):
                return Loss(Cause.MALFORMED, fault)
            self._was_ready = True
            self._listener.on_ready(worker, ready)
            try:
                while True:
                    async with asyncio.timeout(self._patience.step_seconds):
                        message = await worker.next_message()
                    self._listener.on_message(message)
            except WorkerGone:
                return Loss(Cause.ENDED, f"it ended with status {await worker.end()}")
            except TimeoutError:
                return Loss(Cause.TIMEOUT, f"no sign of life for {self._patience.step_seconds:g} s")

    async def _loaded(self, worker: WorkerProcess) -> Ready:
        started, told = time.monotonic(), 0.0
        while True:
            message = await worker.next_message()
            if isinstance(message, Ready):
                log.info("worker ready", pid=worker.pid, seconds=round(time.monotonic() - started, 1))
                return message
            if isinstance(message, Refused):
                if not self._was_ready:
                    raise ValueError(message.message)
                raise WorkerGone
            if isinstance(message, Loading) and (
                time.monotonic() - told >= _PROGRESS_LOG_SECONDS or message.part in (0.0, 1.0)
            ):
                told = time.monotonic()
                log.info(
                    "loading model",
                    what=message.what,
                    percent=round(100 * message.part),
                    seconds=round(told - started, 1),
                )

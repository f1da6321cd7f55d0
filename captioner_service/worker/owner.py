"""The worker's main loop: takes clips in, gives each live one a token a step, tells what has come of them."""

from __future__ import annotations

import queue
import time
from collections import deque
from collections.abc import Callable
from dataclasses import asdict, dataclass
from typing import NoReturn

from captioner_service.worker.generation import Generation
from captioner_service.worker.messages import Beat, Done, Loading, Message, Ready, Text
from captioner_service.worker.slot_engine import SlotEngine

BEAT_SECONDS = 0.5
"""Longest silence of an owner that is not stuck."""


@dataclass
class Arrival:
    """A prepared clip that waits for a slot. since: monotonic seconds."""

    generation: Generation
    since: float
    batch_size: int = 0
    admitted_at: float = 0.0


class Owner:
    """Owns the engine; runs on the process's main thread. tell: sends messages, in order."""

    def __init__(self, engine: SlotEngine, tell: Callable[[list[Message]], None]) -> None:
        self._engine = engine
        self._tell = tell
        self._arriving: queue.SimpleQueue[Arrival] = queue.SimpleQueue()
        self._waiting: deque[Arrival] = deque()
        self._running: dict[int, Arrival] = {}
        self._news: list[Message] = []
        self._last_beat = 0.0
        self.on_finished: Callable[[int], None] = lambda id: None
        """Told the id of every clip that has ended."""

    def load(self) -> None:
        """Loads the engine and tells that it is ready. Raises what the engine raises."""
        card = self._engine.load(lambda part, what: self._tell([Loading(part, what)]))
        self._tell([Loading(1.0, "warming up")])
        canary = list(self._engine.canary())
        self._tell([Ready(asdict(card), canary, self._engine.device)])

    def arrive(self, generation: Generation, *, since: float) -> None:
        """Hands a prepared clip over, from another thread."""
        self._arriving.put(Arrival(generation, since))

    def hear(self, generation: Generation, text: str) -> None:
        """Notes a piece of text; what a generation calls as its `on_text`."""
        self._news.append(Text(generation.id, text))

    def run(self) -> NoReturn:
        """Works for ever. Raises DeviceLost."""
        while True:
            self._take_in()
            self._admit()
            for evicted in self._engine.step() if self._engine.live else ():
                self._waiting.appendleft(self._running.pop(evicted.id))
            self._collect()
            self._beat()
            if self._news:
                news, self._news = self._news, []
                self._tell(news)

    def _take_in(self) -> None:
        """Moves arrivals into line, waiting for one where there is nothing else to do."""
        idle = not self._engine.live and not self._waiting
        while True:
            try:
                arrival = self._arriving.get(timeout=BEAT_SECONDS) if idle else self._arriving.get_nowait()
            except queue.Empty:
                return
            self._waiting.append(arrival)
            idle = False

    def _admit(self) -> None:
        """Lets clips join: one between two steps, so that running texts flow on, and more where many slots are idle."""
        budget = 1 + self._engine.free // 4
        while self._waiting and budget > 0:
            arrival = self._waiting[0]
            generation = arrival.generation
            generation.check_wanted()
            if generation.ending is not None:
                self._waiting.popleft()
                self._finish(arrival)
                continue
            if self._engine.free < 1:
                return
            arrival.admitted_at = arrival.admitted_at or time.monotonic()
            started = time.monotonic()
            if not self._engine.admit(generation):
                return
            budget -= 1
            generation.prefill_seconds += time.monotonic() - started
            arrival.batch_size = max(1, len(self._engine.live))
            self._waiting.popleft()
            self._running[generation.id] = arrival

    def _collect(self) -> None:
        ended = [arrival for arrival in self._running.values() if arrival.generation.ending is not None]
        for arrival in ended:
            del self._running[arrival.generation.id]
            self._finish(arrival)

    def _finish(self, arrival: Arrival) -> None:
        generation = arrival.generation
        now = time.monotonic()
        admitted_at = arrival.admitted_at or now
        assert generation.ending is not None
        self.on_finished(generation.id)
        self._news.append(
            Done(
                id=generation.id,
                ending=generation.ending.value,
                text=generation.text.text,
                prompt_tokens=generation.prompt_tokens,
                completion_tokens=len(generation.tokens),
                reused_tokens=generation.reused_tokens,
                batch_size=max(1, arrival.batch_size),
                waited_seconds=admitted_at - arrival.since,
                prefill_seconds=generation.prefill_seconds,
                decode_seconds=max(0.0, now - admitted_at - generation.prefill_seconds),
            )
        )

    def _beat(self) -> None:
        now = time.monotonic()
        if now - self._last_beat >= BEAT_SECONDS / 2:
            self._last_beat = now
            live = len(self._engine.live)
            self._news.append(Beat(live, live + self._engine.free))

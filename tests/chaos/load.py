"""A steady load of clips through the gateways, by callers that keep to the contract, and what became of it."""

from __future__ import annotations

import asyncio
import itertools
import time
from collections import Counter
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from vidtomusictags.client.asynchronous import AsyncClient
from vidtomusictags.client.result import TaggedVideo
from vidtomusictags.rpc.failures import Failure, UpstreamUnavailable

CALL_SECONDS = 30.0
"""Deadline of one call."""
PATIENCE_SECONDS = 45.0
"""How long a caller goes on asking."""


@dataclass(frozen=True)
class Wish:
    """What a caller wants. frames: makes the result its own. uploaded: sent, rather than named by its URI."""

    clip: Path
    frames: int
    uploaded: bool

    @property
    def video(self) -> str | Path:
        return self.clip if self.uploaded else f"file://{self.clip}"


@dataclass
class Answered:
    """How one wish ended. tries: calls that it took. refusals: reasons of the calls before the last. at: seconds."""

    wish: Wish
    began: float
    seconds: float
    tries: int
    result: Any = None
    failure: Failure | None = None
    longest_call: float = 0.0
    refusals: list[str] = field(default_factory=list)


def wishes(clips: Sequence[Path]) -> list[Wish]:
    """Every one that callers have, in an order in which each of two gateways is sent uploads and URIs."""
    ways = ((False, True), (True, False))
    return [Wish(clip, frames, way) for frames in range(2, 8) for turn, clip in enumerate(clips) for way in ways[turn]]


def facts_of(tagged: TaggedVideo) -> dict[str, Any]:
    """Everything that must be the same whenever the same is asked."""
    found = tagged.to_dict()
    return {name: found[name] for name in ("summary", "tags", "taxonomy", "manifest", "warnings")}


class Load:
    """Asks at a fixed rate, whether answers come or not. Used on one event loop."""

    def __init__(self, target: str, clips: Sequence[Path]) -> None:
        self._client = AsyncClient(target, timeout_seconds=CALL_SECONDS)
        self._wishes = wishes(clips)
        self._asking: set[asyncio.Task[None]] = set()
        self.answered: list[Answered] = []
        self.expected: dict[Wish, Any] = {}

    @property
    def running(self) -> int:
        return len(self._asking)

    async def learn(self) -> None:
        """What is answered while all is calm; everything after is held against it."""
        for wish in self._wishes:
            answer = await self._ask(wish)
            assert answer.failure is None, answer.failure
            self.expected[wish] = answer.result

    @asynccontextmanager
    async def steady(self, per_second: float) -> AsyncIterator[None]:
        """Asks so often for the length of the block; afterwards waits until the last is answered."""
        asking = asyncio.create_task(self._go_on(per_second))
        try:
            yield
        finally:
            asking.cancel()
            await asyncio.gather(asking, return_exceptions=True)
            if self._asking:
                async with asyncio.timeout(PATIENCE_SECONDS + CALL_SECONDS):
                    await asyncio.wait(set(self._asking))

    async def close(self) -> None:
        """Lets the connections go."""
        await self._client.close()

    @property
    def wrong(self) -> list[Answered]:
        """Answers that differ from those of calm times."""
        return [one for one in self.answered if one.failure is None and one.result != self.expected[one.wish]]

    @property
    def failed(self) -> list[Answered]:
        return [one for one in self.answered if one.failure is not None]

    @property
    def refusals(self) -> Counter[str]:
        """Reasons of all calls that failed and were made again."""
        return Counter(itertools.chain.from_iterable(one.refusals for one in self.answered))

    async def _go_on(self, per_second: float) -> None:
        began, loop = time.monotonic(), asyncio.get_running_loop()
        for number in itertools.count():
            await asyncio.sleep(max(0.0, began + number / per_second - time.monotonic()))
            task = loop.create_task(self._record(self._wishes[number % len(self._wishes)]))
            self._asking.add(task)
            task.add_done_callback(self._asking.discard)

    async def _record(self, wish: Wish) -> None:
        self.answered.append(await self._ask(wish))

    async def _ask(self, wish: Wish) -> Answered:
        """Until it is answered, or the caller's patience is over, or trying again cannot help."""
        began = time.monotonic()
        answer = Answered(wish, began, 0.0, 0)
        while True:
            answer.tries += 1
            called = time.monotonic()
            try:
                answer.result = facts_of(await self._client.tag(wish.video, frames=wish.frames))
                answer.failure = None
            except Failure as failure:
                answer.failure = failure
            answer.longest_call = max(answer.longest_call, time.monotonic() - called)
            answer.seconds = time.monotonic() - began
            delay = _delay(answer.failure)
            if delay is None or answer.seconds + delay > PATIENCE_SECONDS:
                return answer
            assert answer.failure is not None
            answer.refusals.append(answer.failure.reason)
            await asyncio.sleep(delay)


def _delay(failure: Failure | None) -> float | None:
    """When to ask again: after the delay that was told, or at once where the gateway itself was lost."""
    if failure is None:
        return None
    if failure.retry_after_seconds is not None:
        return failure.retry_after_seconds
    return 0.1 if isinstance(failure, UpstreamUnavailable) else None

"""Keeps requests to one provider within numbers at a time and a minute, and heeds the pauses it asks for."""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass

from vidtomusictags.rpc.failures import UpstreamRateLimited

_FIRST_BACKOFF_SECONDS = 0.5
_LONGEST_BACKOFF_SECONDS = 8.0


@dataclass(frozen=True)
class Pace:
    """requests_per_minute, tokens_per_minute: None for no limit of ours."""

    concurrent: int = 8
    requests_per_minute: int | None = None
    tokens_per_minute: int | None = None


class TokenBucket:
    """Holds at most a minute's worth, and refills evenly. What is taken beyond that makes the next one wait.

    least: what must be in it for something to be taken.
    """

    def __init__(self, per_minute: int, *, least: float = 0.0, clock: Callable[[], float] = time.monotonic) -> None:
        self._least = least
        self._per_second = per_minute / 60.0
        self._most = float(per_minute)
        self._clock = clock
        self._level = self._most
        self._at = clock()

    def seconds_until_free(self) -> float:
        """Until something may be taken."""
        self._refill()
        return max(0.0, (self._least - self._level) / self._per_second)

    def take(self, amount: float) -> None:
        """Takes it, into debt if need be: a request larger than the bucket must be possible."""
        self._refill()
        self._level -= amount

    def _refill(self) -> None:
        now = self._clock()
        self._level = min(self._most, self._level + (now - self._at) * self._per_second)
        self._at = now


class Pacer:
    """The turns of one endpoint. Used on one event loop."""

    def __init__(self, pace: Pace, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._slots = asyncio.Semaphore(pace.concurrent)
        requests, tokens = pace.requests_per_minute, pace.tokens_per_minute
        self._requests = TokenBucket(requests, least=1, clock=clock) if requests else None
        self._tokens = TokenBucket(tokens, clock=clock) if tokens else None
        self._clock = clock
        self._paused_until = 0.0

    def pause(self, seconds: float) -> None:
        """No request goes out before: the provider said so to one of them, and means all."""
        self._paused_until = max(self._paused_until, self._clock() + seconds)

    @asynccontextmanager
    async def turn(self, tokens: int, *, within_seconds: float) -> AsyncIterator[None]:
        """A slot for one request of about so many tokens, once limits and pauses allow it.

        Raises UpstreamRateLimited at once where that would take longer than `within_seconds`.
        """
        async with self._slots:
            # A slot is held while waiting: those behind would have to wait as long.
            give_up_at = self._clock() + within_seconds
            while (wait := self._wait_seconds()) > 0:
                if self._clock() + wait > give_up_at:
                    raise UpstreamRateLimited(
                        "Requests to the language model wait for its rate limit longer than this call may take; try"
                        " again after the delay.",
                        retry_after_seconds=wait,
                    )
                await asyncio.sleep(wait)
            if self._requests:
                self._requests.take(1)
            if self._tokens:
                self._tokens.take(tokens)
            yield

    def _wait_seconds(self) -> float:
        buckets = [bucket.seconds_until_free() for bucket in (self._requests, self._tokens) if bucket]
        return max(self._paused_until - self._clock(), *buckets, 0.0)


def backoff_seconds(failed: int) -> float:
    """Before the next try, after so many failed ones: doubled each time, with full jitter above a half of it."""
    longest = min(_LONGEST_BACKOFF_SECONDS, _FIRST_BACKOFF_SECONDS * 2.0 ** max(0, failed - 1))
    return longest * (0.5 + random.random() / 2)  # noqa: S311  # spreads retries, keeps no secret

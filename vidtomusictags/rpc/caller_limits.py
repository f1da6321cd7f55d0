"""What one caller may have of a server, so that it leaves something for the others."""

from __future__ import annotations

import time
from collections import OrderedDict
from collections.abc import AsyncIterator, Callable, Iterable
from contextlib import asynccontextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from typing import Any

from vidtomusictags.rpc.admission import with_jitter
from vidtomusictags.rpc.callers import present_caller
from vidtomusictags.rpc.failures import (
    CallerLimited,
    Draining,
    Failure,
    Loading,
    QueueFull,
    SpoolFull,
    StreamsFull,
    WouldMissDeadline,
)

_MINUTE = 60.0
_SHORTEST_WAIT_SECONDS = 0.5
_MOST_CALLERS = 10_000
"""Callers that are remembered. Whoever was quiet longest is forgotten first; after a minute nothing is lost by it."""
_OVERLOADED: tuple[type[Failure], ...] = (StreamsFull, QueueFull, SpoolFull, WouldMissDeadline, Loading, Draining)
"""By which a server says that it has itself no room, time or readiness; what upstreams refuse may have had a price."""


class _Bucket:
    """A minute's worth at once, and then evenly as it comes in (a token bucket)."""

    __slots__ = ("_a_minute", "_filled_at", "_left")

    def __init__(self, a_minute: float, now: float) -> None:
        self._a_minute = a_minute
        self._left = a_minute
        self._filled_at = now

    def left(self, now: float) -> float:
        """What may still be taken; below 0 where more was taken."""
        self._left = min(self._a_minute, self._left + (now - self._filled_at) * self._a_minute / _MINUTE)
        self._filled_at = now
        return self._left

    def take(self, amount: float) -> None:
        self._left -= amount

    def seconds_until(self, left: float) -> float:
        """Until so much may be taken."""
        return max(_SHORTEST_WAIT_SECONDS, (left - self._left) * _MINUTE / self._a_minute)


@dataclass(slots=True)
class _Account:
    """What is known of one caller."""

    name: str
    requests: _Bucket
    bytes: _Bucket
    running: int = 0


@dataclass(slots=True)
class _Call:
    """The present one. answered: whether its caller has been sent anything yet."""

    limits: CallerLimits
    account: _Account
    answered: bool = False


_call: ContextVar[_Call] = ContextVar("counted call")


def count_bytes(size: int) -> None:
    """So many bytes came in for the present call from elsewhere; they count as if its caller had sent them.

    Raises CallerLimited.
    """
    if (call := _call.get(None)) is not None:
        call.limits.arrived(size)


class CallerLimits:
    """Counts what each caller has. Used on one event loop. 0 is no limit.

    uncounted: full names of methods that take no slot; they are requests nevertheless. clock: seconds.
    """

    def __init__(
        self,
        *,
        max_calls: int = 0,
        bytes_a_minute: int = 0,
        requests_a_minute: int = 0,
        uncounted: Iterable[str] = (),
        most_callers: int = _MOST_CALLERS,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._max_calls = max_calls
        self._bytes = bytes_a_minute
        self._requests = requests_a_minute
        self._uncounted = frozenset(uncounted)
        self._most_callers = most_callers
        self._clock = clock
        self._accounts: OrderedDict[str, _Account] = OrderedDict()

    @asynccontextmanager
    async def layer(self, method: str, context: Any) -> AsyncIterator[None]:
        """Raises CallerLimited, or counts the call for its caller until it ends.

        One that is refused for overload before it was answered anything was no request: whoever comes back when told
        to must not use up a minute's worth by being turned away. Its refusal costs what that by a limit would cost.
        """
        account = self._of(present_caller().counted_as)
        call = _Call(self, account)
        _call.set(call)
        counted = method not in self._uncounted
        self._let_in(account, counted=counted)
        account.running += counted
        try:
            yield
        except _OVERLOADED:
            if not call.answered:
                account.requests.take(-1)
            raise
        finally:
            account.running -= counted

    def arrived(self, size: int) -> None:
        """So many bytes came in with the present call, or for it. Raises CallerLimited."""
        call = _call.get(None)  # None: reflection, which has no part in this
        if self._bytes and call is not None:
            account = call.account
            account.bytes.left(self._clock())
            account.bytes.take(size)
            if account.bytes.left(self._clock()) < 0:
                raise _limited(
                    account,
                    f"You may send, or have fetched, {self._bytes} bytes a minute; begin again after the delay, or "
                    "with less.",
                    account.bytes.seconds_until(self._bytes),
                )

    def answered(self) -> None:
        """The present call's caller is being sent something."""
        if (call := _call.get(None)) is not None:
            call.answered = True

    def _let_in(self, account: _Account, *, counted: bool) -> None:
        now = self._clock()
        if counted and self._max_calls and account.running >= self._max_calls:
            raise _limited(account, f"{self._max_calls} of your calls are running already; try again later.", 0.5)
        if self._bytes and account.bytes.left(now) <= 0:
            raise _limited(
                account,
                f"You may send, or have fetched, {self._bytes} bytes a minute; try again after the delay.",
                account.bytes.seconds_until(1),
            )
        if self._requests:
            if account.requests.left(now) < 1:
                raise _limited(
                    account,
                    f"You may make {self._requests} requests a minute; try again after the delay.",
                    account.requests.seconds_until(1),
                )
            account.requests.take(1)

    def _of(self, name: str) -> _Account:
        account = self._accounts.get(name)
        if account is None:
            now = self._clock()
            account = _Account(name, _Bucket(self._requests, now), _Bucket(self._bytes, now))
            self._accounts[name] = account
            self._forget_one()
        self._accounts.move_to_end(name)
        return account

    def _forget_one(self) -> None:
        """Forgets who was quiet longest, where there are too many. Calls that run are few beside callers."""
        if len(self._accounts) > self._most_callers:
            quiet = next((name for name, one in self._accounts.items() if not one.running), None)
            if quiet is not None:
                del self._accounts[quiet]


def _limited(account: _Account, message: str, after_seconds: float) -> CallerLimited:
    return CallerLimited(message, retry_after_seconds=with_jitter(after_seconds), quota=f"caller:{account.name}")

"""Another try on another replica: which failures deserve one, how soon, and how often."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import TypeVar

import structlog

from vidtomusictags.rpc.admission import with_jitter
from vidtomusictags.rpc.failures import Failure, UpstreamUnavailable, WouldMissDeadline
from vidtomusictags.rpc.telemetry import SILENT, Telemetry
from vidtomusictags.rpc.upstream_meter import UpstreamMeter

log = structlog.get_logger()

ResultT = TypeVar("ResultT")

_BACKOFF_SECONDS = (0.05, 0.2, 0.8, 1.5)
"""Before the second try, the third and so on, the last of them again and again; all with jitter. The first is short,
because round robin takes the next try to another replica."""
_MOST_WHEN_SHED = 3
"""Tries of a call that is turned away for overload: more of them would be more load."""
_MOST_WHEN_TOO_LATE = 2
"""Tries of a call whose wait would outlast its deadline: the line at another replica may be shorter."""
_SHED_SECONDS = 0.5
"""Before the next of them, where the refusal does not say itself how long to wait."""
_TOKENS = 20.0
_TOKENS_OF_A_SUCCESS_WHEN_SHED, _TOKENS_OF_A_SUCCESS_WHEN_SLOW = 0.1, 1.5
"""How often refusals are tried again: as gRPC's own retries, while they are few (gRFC A6). And tries without an answer
in time: while they are no more than one frozen replica of two explains; if most are late, all replicas are overrun."""


class ConnectionLost(UpstreamUnavailable):
    """The replica could not be reached, or went away in the middle."""


class NotInTime(ConnectionLost):
    """The replica did not say in time that it takes the call on: it is frozen, or has too much to do."""


class TurnedAway(ConnectionLost):
    """The replica's gRPC refused the call unseen, as it does in a flood, or was just being stopped."""


class Throttle:
    """Tells failures that are few from those that are most of what happens; further tries only add to the latter."""

    def __init__(self, *, tokens_of_a_success: float) -> None:
        self._tokens_of_a_success = tokens_of_a_success
        self._tokens = _TOKENS

    def succeeded(self) -> None:
        """A call went well."""
        self._tokens = min(self._tokens + self._tokens_of_a_success, _TOKENS)

    def failed(self) -> bool:
        """One did not; whether it may be tried again."""
        self._tokens = max(self._tokens - 1, 0.0)
        return self._tokens > _TOKENS / 2


class Attempts:
    """Tries calls to the replicas of one service until one succeeds, nothing can be won, or the time is over.

    What cannot be reached, goes down, or is lost on the way is tried again, and so is what was turned away with the
    advice to come back; a faulty request is not. Every try is made by round robin over the replicas that are known to
    be well. Used on one event loop.

    most: tries of one call. remaining_seconds: how long the present call still has. telemetry: hears of every try.
    """

    def __init__(
        self,
        upstream: str,
        *,
        most: int,
        remaining_seconds: Callable[[], float],
        telemetry: Telemetry = SILENT,
    ) -> None:
        self._upstream = upstream
        self._most = most
        self._remaining_seconds = remaining_seconds
        self._meter = UpstreamMeter(upstream, telemetry)
        self._when_shed = Throttle(tokens_of_a_success=_TOKENS_OF_A_SUCCESS_WHEN_SHED)
        self._when_slow = Throttle(tokens_of_a_success=_TOKENS_OF_A_SUCCESS_WHEN_SLOW)

    async def run(self, method: str, once: Callable[[], Awaitable[ResultT]]) -> tuple[ResultT, int]:
        """What `once` returns in the end, and how often it was tried. Raises its last failure.

        method: full name without a leading slash, as traces show it.
        """
        about = {"rpc.system.name": "grpc", "rpc.method": method}
        number = 0
        while True:
            number += 1
            try:
                with self._meter.attempt(method, about | {"vidtags.attempt": number}):
                    result = await once()
            except Failure as failure:
                delay = self._delay(failure, number)
                if delay is None:
                    raise
                log.warning(
                    "upstream attempt failed",
                    upstream=self._upstream,
                    attempt=number,
                    reason=failure.reason,
                    details=failure.message,
                    again_after_seconds=round(delay, 3),
                )
                await asyncio.sleep(delay)
            else:
                self._when_shed.succeeded()
                self._when_slow.succeeded()
                return result, number

    def _delay(self, failure: Failure, number: int) -> float | None:
        """Seconds until the next try; None where there is to be none."""
        if not _may_pass(failure):
            return None
        most, least = self._most, failure.retry_after_seconds or 0.0
        too_late = isinstance(failure, WouldMissDeadline)
        if too_late or failure.code == "RESOURCE_EXHAUSTED" or isinstance(failure, TurnedAway):
            if not self._when_shed.failed():
                return None
            most = min(most, _MOST_WHEN_TOO_LATE if too_late else _MOST_WHEN_SHED)
            least = least if too_late else least or with_jitter(_SHED_SECONDS)
        if number >= most or (isinstance(failure, NotInTime) and not self._when_slow.failed()):
            return None
        backoff = with_jitter(_BACKOFF_SECONDS[min(number, len(_BACKOFF_SECONDS)) - 1])
        delay = max(backoff, least)
        return delay if delay < self._remaining_seconds() else None


def _may_pass(failure: Failure) -> bool:
    """Whether the failure is of this replica and this moment, not of the request.

    The contract sends a delay where trying again can help on any replica, and only there; what gRPC itself says of a
    lost connection has none.
    """
    if isinstance(failure, WouldMissDeadline):
        return True
    if failure.retry_after_seconds is not None:
        return failure.code in ("UNAVAILABLE", "RESOURCE_EXHAUSTED")
    return isinstance(failure, ConnectionLost)

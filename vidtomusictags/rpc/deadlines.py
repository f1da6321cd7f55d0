"""How long a call may still take: the caller's deadline, held to the server's own, and readable by whatever it runs."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from typing import Any

from vidtomusictags.rpc.failures import DeadlineExceeded
from vidtomusictags.rpc.layers import Layer

RESERVE_SECONDS = 0.25
"""Kept back from what a call does, so that its failure can still be told."""


@dataclass(frozen=True)
class _Deadline:
    """When the present call ends, by time.monotonic, and how long it was allowed in all."""

    ends_at: float
    allowed_seconds: float


_deadline: ContextVar[_Deadline] = ContextVar("deadline")


def within_deadline(longest_seconds: float) -> Layer:
    """The layer that ends a call at its deadline, or after `longest_seconds` where that is sooner or none was set."""

    @asynccontextmanager
    async def layer(method: str, context: Any) -> AsyncIterator[None]:
        remaining = context.time_remaining()
        allowed = longest_seconds if remaining is None else min(remaining, longest_seconds)
        _deadline.set(_Deadline(time.monotonic() + allowed, allowed))
        async with _ending_after(allowed):
            yield

    return layer


@asynccontextmanager
async def leaving_time_to_tell() -> AsyncIterator[None]:
    """Raises DeadlineExceeded in the block a little before the call ends, while the caller can still be told."""
    rest = remaining_seconds()
    async with _ending_after(max(rest - RESERVE_SECONDS, 0.9 * rest)):
        yield


@asynccontextmanager
async def _ending_after(seconds: float) -> AsyncIterator[None]:
    try:
        async with asyncio.timeout(seconds) as timer:
            yield
    except TimeoutError:
        if not timer.expired():
            raise  # somebody else's
        allowed = _deadline.get().allowed_seconds
        raise DeadlineExceeded(
            f"The call did not finish within {allowed:.1f} s; allow more time or send less."
        ) from None


def remaining_seconds() -> float:
    """Seconds that this call still has. LookupError outside of the calls that `within_deadline` surrounds."""
    return max(0.0, _deadline.get().ends_at - time.monotonic())


def downstream_seconds(longest_seconds: float) -> float:
    """The deadline for a call that this call makes: its own rest less a reserve, at most `longest_seconds`."""
    return max(0.0, min(longest_seconds, remaining_seconds() - RESERVE_SECONDS))

"""How long a call may still take: the caller's deadline, held to the server's own, and readable by whatever it runs."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from contextvars import ContextVar
from typing import Any

from vidtomusictags.rpc.failures import DeadlineExceeded
from vidtomusictags.rpc.layers import Layer

_ends_at: ContextVar[float] = ContextVar("ends_at")

RESERVE_SECONDS = 0.25
"""Kept back from a downstream call, so that its failure can still be told upstream."""


def within_deadline(longest_seconds: float) -> Layer:
    """The layer that ends a call at its deadline, or after `longest_seconds` where that is sooner or none was set."""

    @asynccontextmanager
    async def layer(method: str, context: Any) -> AsyncIterator[None]:
        remaining = context.time_remaining()
        allowed = longest_seconds if remaining is None else min(remaining, longest_seconds)
        _ends_at.set(time.monotonic() + allowed)
        try:
            async with asyncio.timeout(allowed):
                yield
        except TimeoutError:
            raise DeadlineExceeded(
                f"The call did not finish within {allowed:.1f} s; allow more time or send less."
            ) from None

    return layer


def remaining_seconds() -> float:
    """Seconds that this call still has. LookupError outside of the calls that `within_deadline` surrounds."""
    return max(0.0, _ends_at.get() - time.monotonic())


def downstream_seconds(longest_seconds: float) -> float:
    """The deadline for a call that this call makes: its own rest less a reserve, at most `longest_seconds`."""
    return max(0.0, min(longest_seconds, remaining_seconds() - RESERVE_SECONDS))

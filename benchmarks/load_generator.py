"""Open-loop load: every call begins when its time has come, whether or not earlier ones have been answered.

Latency counts from the time at which a call was due, not from when it was sent, so a server (or a generator) that falls
behind cannot hide it (coordinated omission). A call counts as good only if its answer came within its deadline.
"""

from __future__ import annotations

import asyncio
import gc
import random
import time
from collections import Counter
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any

import grpc
import numpy as np
from google.rpc import error_details_pb2, status_pb2

Ask = Callable[[float], Awaitable[None]]
"""One whole call within so many seconds. Raises grpc.RpcError, or `Refused` for a failure that was told in-band."""

_DETAILS = "grpc-status-details-bin"
_PUSHBACK = "grpc-retry-pushback-ms"
_SHED = frozenset({"STREAMS_FULL", "QUEUE_FULL", "SPOOL_FULL", "WOULD_MISS_DEADLINE", "CANCELLED"})
"""Reasons of calls that were turned away because there were too many. CANCELLED comes from gRPC's own backlog: the
generator cancels nothing."""


class Refused(Exception):
    """A failure that came as the last event of a stream."""

    def __init__(self, status: status_pb2.Status) -> None:
        super().__init__(status.message)
        self.status = status


@dataclass(frozen=True)
class Outcome:
    """What became of a call. Times by time.monotonic. reason: empty for an answer. tries: 1 without any retry."""

    due: float
    started: float
    ended: float
    reason: str
    tries: int


@dataclass
class Level:
    """What came of one rate of arrivals. Rates a second, latencies in seconds; of calls that ended in the window."""

    offered: float
    seconds: float
    arrived: int
    good: float
    shed: float
    failed: float
    latency: dict[str, float]
    refusal: dict[str, float]
    reasons: dict[str, int]
    retries: int
    lag: float
    """p99 of how late the generator itself began a call."""
    generator_cores: float
    """Processor time of the generator a second of wall-clock time."""
    server_cores: dict[str, float] = field(default_factory=dict)


async def capacity(ask: Ask, *, callers: int, seconds: float, deadline: float) -> float:
    """Answers a second with so many callers that each ask again once they were answered, after a warm-up."""
    done: list[float] = []
    begins = time.monotonic() + 0.25 * seconds
    ends = begins + seconds

    async def caller() -> None:
        while time.monotonic() < ends:
            try:
                await ask(deadline)
            except (grpc.RpcError, Refused):
                await asyncio.sleep(0.05)
            else:
                done.append(time.monotonic())

    await asyncio.gather(*(caller() for _ in range(callers)))
    return sum(begins <= at < ends for at in done) / seconds


async def offer(
    ask: Ask, *, rate: float, seconds: float, deadline: float, tries: int = 1, warm_up: float = 0.25, seed: int = 1
) -> Level:
    """Poisson arrivals at `rate` a second for `seconds`, of which the first share `warm_up` is not counted.

    deadline: seconds that a call has, retries included. tries: how often a refused call is tried in all, after the
    delay that it was told.
    """
    chance = random.Random(seed)
    gaps: list[float] = []
    while sum(gaps[-1:]) < seconds:
        gaps.append((gaps[-1] if gaps else 0.0) + chance.expovariate(rate))
    outcomes: list[Outcome] = []
    running: set[asyncio.Task[None]] = set()

    async def call(due: float) -> None:
        started = time.monotonic()
        reason, tried = await _tried(ask, due + deadline, tries)
        outcomes.append(Outcome(due, started, time.monotonic(), reason, tried))

    gc.collect()
    gc.disable()  # its pauses would be taken for the server's
    try:
        begins, processor = time.monotonic() + 0.1, time.process_time()
        for gap in gaps[:-1]:
            if (wait := begins + gap - time.monotonic()) > 0:
                await asyncio.sleep(wait)
            task = asyncio.create_task(call(begins + gap))
            running.add(task)
            task.add_done_callback(running.discard)
            if len(running) % 16 == 0:
                await asyncio.sleep(0)  # answers are read even where arrivals are behind
        spent = time.process_time() - processor
        elapsed = time.monotonic() - begins
        await asyncio.gather(*running)
    finally:
        gc.enable()
    opens, closes = begins + warm_up * seconds, begins + seconds
    counted = [one for one in outcomes if opens <= one.ended < closes]
    return _level(counted, outcomes, rate, closes - opens, spent / elapsed)


async def _tried(ask: Ask, ends_at: float, tries: int) -> tuple[str, int]:
    for tried in range(1, tries + 1):
        left = ends_at - time.monotonic()
        if left <= 0:
            return "NOT_SENT", tried
        try:
            await ask(left)
        except grpc.aio.AioRpcError as error:
            reason, delay = _of_call(error)
        except Refused as refused:
            reason, delay = _of_status(refused.status)
        else:
            return "" if time.monotonic() <= ends_at else "LATE", tried
        if delay is None or tried == tries or time.monotonic() + delay > ends_at:
            return reason, tried
        await asyncio.sleep(delay)
    raise AssertionError("unreachable")


def _of_call(error: grpc.aio.AioRpcError) -> tuple[str, float | None]:
    metadata = dict(error.trailing_metadata() or ())
    if _DETAILS in metadata:
        return _of_status(status_pb2.Status.FromString(metadata[_DETAILS]))  # type: ignore[arg-type]
    return error.code().name, None


def _of_status(status: Any) -> tuple[str, float | None]:
    info, retry, delay = error_details_pb2.ErrorInfo(), error_details_pb2.RetryInfo(), None
    for detail in status.details:
        if detail.Unpack(retry):
            delay = retry.retry_delay.ToNanoseconds() / 1e9
        else:
            detail.Unpack(info)
    return info.reason, delay


def _level(counted: list[Outcome], outcomes: list[Outcome], rate: float, seconds: float, cores: float) -> Level:
    good = [one for one in counted if not one.reason]
    shed = [one for one in counted if one.reason in _SHED]
    return Level(
        offered=rate,
        seconds=seconds,
        arrived=len(outcomes),
        good=len(good) / seconds,
        shed=len(shed) / seconds,
        failed=(len(counted) - len(good) - len(shed)) / seconds,
        latency=_percentiles([one.ended - one.due for one in good]),
        refusal=_percentiles([one.ended - one.due for one in shed]),
        reasons=dict(Counter(one.reason for one in counted if one.reason)),
        retries=sum(one.tries - 1 for one in counted),
        lag=_percentiles([one.started - one.due for one in outcomes]).get("p99", 0.0),
        generator_cores=cores,
    )


def _percentiles(values: list[float]) -> dict[str, float]:
    if not values:
        return {}
    return {f"p{percent}": float(np.percentile(values, percent)) for percent in (50, 95, 99)}

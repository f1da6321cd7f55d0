"""What a failure of the captioner or the classifier means to the gateway's own caller."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager
from typing import cast

import grpc
import structlog

from gateway.attempts import ConnectionLost, NotInTime, TurnedAway
from gateway.fields import field_of_the_request
from vidtomusictags.rpc import failures
from vidtomusictags.rpc.admission import with_jitter
from vidtomusictags.rpc.endings import Ending
from vidtomusictags.rpc.failures import Failure
from vidtomusictags.rpc.layers import DETAILS
from vidtomusictags.rpc.status import from_rpc_error

log = structlog.get_logger()

_OURS = (
    failures.ConfigMissing,
    failures.ConfigRepeated,
    failures.FrameInvalid,
    failures.FrameSizeMismatch,
    failures.FrameTooLarge,
    failures.InputAfterEnd,
    failures.InputCountMismatch,
    failures.InputTruncated,
    failures.NoFrames,
    failures.SummaryInvalid,
    failures.UpstreamBroken,
)
"""Faults of what the gateway itself sent, or answers it cannot read: no caller can mend them."""
_AWAY = (failures.UpstreamUnavailable, failures.Draining)
"""It is not this gateway that shuts down; to its caller a replica that does is only one that cannot be reached now."""
_NEVER_PASSED_ON = frozenset({"UNAUTHENTICATED", "PERMISSION_DENIED", "UNIMPLEMENTED"})
"""They would tell our caller of credentials and methods that are not theirs."""


@contextmanager
def hearing(ending: Ending | None = None, *, within_seconds: float | None = None) -> Iterator[None]:
    """Turns what gRPC raises inside into the failure that it stands for.

    ending: of a call that is written to; one that is over when the next message is to be written has failed too.
    within_seconds: the deadline that was set for this try alone; a replica that lets it pass counts as lost.
    """
    try:
        yield
    except grpc.RpcError as error:
        raise _failure_behind(ending.behind(error) if ending else error, within_seconds) from error
    except asyncio.InvalidStateError as error:
        if ending is None:
            raise
        if ending.error is None:
            raise failures.UpstreamBroken("The answer ended before its question; tell the operator.") from error
        raise _failure_behind(ending.error, within_seconds) from error


@contextmanager
def translating(name: str) -> Iterator[None]:
    """Makes failures inside ones for the gateway's caller. name: `captioner` or `classifier`."""
    try:
        yield
    except Failure as failure:
        raise for_caller(failure, name) from failure


def _failure_behind(error: grpc.RpcError, within_seconds: float | None) -> Failure:
    failure, call = from_rpc_error(error), cast("grpc.Call", error)
    if any(key == DETAILS for key, _ in call.trailing_metadata() or ()):
        return failure
    if call.code() is grpc.StatusCode.DEADLINE_EXCEEDED and within_seconds is not None:
        return NotInTime(f"no answer within {within_seconds:.1f} s")
    if call.code() is grpc.StatusCode.CANCELLED:
        return TurnedAway(failure.message)
    return ConnectionLost(failure.message) if isinstance(failure, failures.UpstreamUnavailable) else failure


def for_caller(failure: Failure, name: str) -> Failure:
    """The failure of an upstream call as the gateway's caller should read it; the original goes to the log."""
    if isinstance(failure, _AWAY):
        log.warning("upstream unavailable", upstream=name, details=failure.message)
        return failures.UpstreamUnavailable(
            f"The {name} cannot be reached; try again after the delay.", retry_after_seconds=with_jitter(1.0)
        )
    if isinstance(failure, _OURS) or failure.code in _NEVER_PASSED_ON:
        log.error("upstream refused", upstream=name, reason=failure.reason, details=failure.message)
        return failures.UpstreamBroken(f"The {name} and this gateway do not understand each other; tell its operator.")
    if isinstance(failure, failures.CallerLimited):  # its limits are for this gateway, or for a name it gave
        log.warning("upstream limits calls", upstream=name, quota=failure.quota)
        return failures.UpstreamRateLimited(
            f"The {name} takes no more calls for now; try again after the delay.",
            retry_after_seconds=failure.retry_after_seconds,
        )
    if isinstance(failure, failures.DeadlineExceeded):
        return failures.DeadlineExceeded(f"The {name} did not answer in time; allow more time or try again.")
    failure.field = field_of_the_request(name, failure.field)
    return failure

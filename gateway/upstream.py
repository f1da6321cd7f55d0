"""What a failure of the captioner or the classifier means to the gateway's own caller."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import grpc
import structlog

from gateway.fields import field_of_the_request
from vidtomusictags.rpc import failures
from vidtomusictags.rpc.admission import with_jitter
from vidtomusictags.rpc.failures import Failure
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
def translating(name: str) -> Iterator[None]:
    """Turns what goes wrong inside into a failure for the gateway's caller. name: `captioner` or `classifier`."""
    try:
        yield
    except grpc.RpcError as error:
        raise for_caller(from_rpc_error(error), name) from error


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
    if isinstance(failure, failures.DeadlineExceeded):
        return failures.DeadlineExceeded(f"The {name} did not answer in time; allow more time or try again.")
    failure.field = field_of_the_request(name, failure.field)
    return failure

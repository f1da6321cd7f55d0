"""The one table between failures and google.rpc.Status, read both ways."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import cast

import grpc
from google.protobuf import any_pb2, duration_pb2
from google.protobuf.message import Message
from google.rpc import code_pb2, error_details_pb2, status_pb2
from grpc_status import rpc_status

from vidtomusictags.rpc import failures
from vidtomusictags.rpc.endings import BROKEN_CALL
from vidtomusictags.rpc.failures import Failure

PUSHBACK = "grpc-retry-pushback-ms"
"""Trailing metadata that gRPC's own retries obey; -1 tells them to stop (gRFC A6)."""

_MAX_MESSAGE_BYTES = 1280
"""A message travels three times, once percent-encoded and twice in base64; all metadata must stay below 8 KB."""

_BY_REASON = {Failure.reason: Failure} | {kind.reason: kind for kind in Failure.__subclasses__()}
_WITHOUT_REASON: dict[str, type[Failure]] = {
    "UNAVAILABLE": failures.UpstreamUnavailable,
    "CANCELLED": failures.UpstreamUnavailable,
    "DEADLINE_EXCEEDED": failures.DeadlineExceeded,
}
"""What a status means that gRPC itself made; every other code without a reason is an answer against the contract."""


class RemoteFailure(Failure):
    """A failure that another server named with a reason unknown here."""

    def __init__(
        self,
        message: str,
        *,
        code: str,
        reason: str,
        field: str = "",
        retry_after_seconds: float | None = None,
        details: Mapping[str, str] | None = None,
        quota: str = "",
    ) -> None:
        super().__init__(message, field=field, retry_after_seconds=retry_after_seconds, details=details, quota=quota)
        self.code, self.reason = code, reason  # type: ignore[misc]  # this one class has them by instance


def to_status(failure: Failure, *, domain: str) -> status_pb2.Status:
    """The failure as a Status with exactly one ErrorInfo, and BadRequest, QuotaFailure and RetryInfo where they apply.

    A message of more than 1280 bytes is cut: one that does not fit into the metadata would lose the whole status.
    """
    message = _cut(failure.message)
    status = status_pb2.Status(code=code_pb2.Code.Value(failure.code), message=message)
    status.details.append(
        _packed(error_details_pb2.ErrorInfo(reason=failure.reason, domain=domain, metadata=failure.details))
    )
    if failure.field:
        violation = error_details_pb2.BadRequest.FieldViolation(field=failure.field, description=message)
        status.details.append(_packed(error_details_pb2.BadRequest(field_violations=[violation])))
    if failure.quota:
        exceeded = error_details_pb2.QuotaFailure.Violation(subject=failure.quota, description=message)
        status.details.append(_packed(error_details_pb2.QuotaFailure(violations=[exceeded])))
    if failure.retry_after_seconds is not None:
        delay = duration_pb2.Duration()
        delay.FromNanoseconds(round(failure.retry_after_seconds * 1e9))
        status.details.append(_packed(error_details_pb2.RetryInfo(retry_delay=delay)))
    return status


def pushback(failure: Failure) -> tuple[tuple[str, str], ...]:
    """Trailing metadata for gRPC's own retries: the delay, or -1 where overload will not pass."""
    if failure.retry_after_seconds is not None:
        return ((PUSHBACK, str(math.ceil(failure.retry_after_seconds * 1000))),)
    return ((PUSHBACK, "-1"),) if failure.code in ("RESOURCE_EXHAUSTED", "UNAVAILABLE") else ()


def from_status(status: status_pb2.Status) -> Failure:
    """The failure that a Status tells of, of its own class where the reason is known here."""
    code = code_pb2.Code.Name(cast("code_pb2.Code.ValueType", status.code))
    reason, field, retry_after, quota, metadata = "", "", None, "", {}
    info, bad_request, retry, quotas = (
        error_details_pb2.ErrorInfo(),
        error_details_pb2.BadRequest(),
        error_details_pb2.RetryInfo(),
        error_details_pb2.QuotaFailure(),
    )
    for detail in status.details:
        if detail.Unpack(info):
            reason, metadata = info.reason, dict(info.metadata)
        elif detail.Unpack(bad_request) and bad_request.field_violations:
            field = bad_request.field_violations[0].field
        elif detail.Unpack(retry):
            retry_after = retry.retry_delay.ToNanoseconds() / 1e9
        elif detail.Unpack(quotas) and quotas.violations:
            quota = quotas.violations[0].subject
    if not reason:
        kind = _WITHOUT_REASON.get(code, failures.UpstreamBroken)
        return kind(status.message, retry_after_seconds=retry_after)
    if reason in _BY_REASON:
        return _BY_REASON[reason](
            status.message, field=field, retry_after_seconds=retry_after, details=metadata, quota=quota
        )
    return RemoteFailure(
        status.message,
        code=code,
        reason=reason,
        field=field,
        retry_after_seconds=retry_after,
        details=metadata,
        quota=quota,
    )


def from_rpc_error(error: grpc.RpcError) -> Failure:
    """The failure behind an exception of a sync or aio call."""
    call = cast("grpc.Call", error)
    try:
        status = rpc_status.from_call(call)
    except ValueError:  # the details contradict the status line; the line is what gRPC acts on
        status = None
    if status is None:
        code = call.code().value[0]
        if call.code() is grpc.StatusCode.INTERNAL and call.details() == BROKEN_CALL:
            code = code_pb2.UNAVAILABLE
        status = status_pb2.Status(code=code, message=call.details() or call.code().name)
    return from_status(status)


def _cut(message: str) -> str:
    encoded = message.encode()
    if len(encoded) <= _MAX_MESSAGE_BYTES:
        return message
    return encoded[: _MAX_MESSAGE_BYTES - len("…".encode())].decode(errors="ignore") + "…"


def _packed(message: Message) -> any_pb2.Any:
    packed = any_pb2.Any()
    packed.Pack(message)
    return packed

"""The table between failures and google.rpc.Status."""

from __future__ import annotations

from typing import TypeVar

import grpc
import pytest
from google.protobuf.message import Message
from google.rpc import code_pb2, error_details_pb2, status_pb2

from vidtomusictags.rpc.failures import (
    DeadlineExceeded,
    Failure,
    QueueFull,
    UnknownTaxonomy,
    UpstreamBroken,
    UpstreamUnavailable,
)
from vidtomusictags.rpc.status import RemoteFailure, from_status, pushback, to_status

# Other tests define failures of their own, which no table knows.
KINDS = [Failure, *(kind for kind in Failure.__subclasses__() if kind.__module__ == Failure.__module__)]
MessageT = TypeVar("MessageT", bound=Message)
by_name = pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.__name__)


def details(status: status_pb2.Status, kind: type[MessageT]) -> list[MessageT]:
    found = []
    for detail in status.details:
        message = kind()
        if detail.Unpack(message):
            found.append(message)
    return found


@by_name
def test_every_failure_survives_the_way_to_a_status_and_back(kind: type[Failure]) -> None:
    failure = kind("Do this.", field="options.that", retry_after_seconds=1.25, details={"error_id": "abc"})
    status = to_status(failure, domain="a.Service")
    back = from_status(status)
    assert type(back) is kind
    assert (back.code, back.reason) == (kind.code, kind.reason)
    assert (back.message, back.field, back.retry_after_seconds) == ("Do this.", "options.that", 1.25)
    assert back.details == {"error_id": "abc"}


@by_name
def test_every_status_has_one_error_info_and_otherwise_only_what_applies(kind: type[Failure]) -> None:
    status = to_status(kind("Do this."), domain="a.Service")
    (info,) = details(status, error_details_pb2.ErrorInfo)
    assert (info.reason, info.domain) == (kind.reason, "a.Service")
    assert status.code == code_pb2.Code.Value(kind.code)
    assert len(status.details) == 1


@by_name
def test_every_code_is_one_of_grpc(kind: type[Failure]) -> None:
    assert grpc.StatusCode[kind.code].value[0] == code_pb2.Code.Value(kind.code)


def test_no_two_failures_share_a_reason() -> None:
    reasons = [kind.reason for kind in KINDS]
    assert len(set(reasons)) == len(reasons)


def test_a_field_at_fault_is_sent_as_a_bad_request() -> None:
    status = to_status(UnknownTaxonomy("There is none.", field="taxonomy_id"), domain="a.Service")
    (bad_request,) = details(status, error_details_pb2.BadRequest)
    violations = [(violation.field, violation.description) for violation in bad_request.field_violations]
    assert violations == [("taxonomy_id", "There is none.")]


def test_a_worthwhile_retry_is_told_to_people_and_to_grpc() -> None:
    failure = QueueFull("Wait.", retry_after_seconds=0.3001)
    (retry,) = details(to_status(failure, domain="a.Service"), error_details_pb2.RetryInfo)
    assert retry.retry_delay.ToNanoseconds() == 300_100_000
    assert pushback(failure) == (("grpc-retry-pushback-ms", "301"),)


def test_overload_that_will_not_pass_tells_grpc_to_stop() -> None:
    assert pushback(QueueFull("Never.")) == (("grpc-retry-pushback-ms", "-1"),)


def test_other_failures_say_nothing_about_retries_to_grpc() -> None:
    assert pushback(UnknownTaxonomy("There is none.")) == ()


def test_a_reason_unknown_here_keeps_its_code_reason_and_field() -> None:
    info = error_details_pb2.ErrorInfo(reason="OUT_OF_CHEESE", domain="else.Where", metadata={"left": "0"})
    violation = error_details_pb2.BadRequest.FieldViolation(field="cheese")
    status = status_pb2.Status(code=code_pb2.FAILED_PRECONDITION, message="None left.")
    for detail in (info, error_details_pb2.BadRequest(field_violations=[violation])):
        status.details.add().Pack(detail)
    failure = from_status(status)
    assert isinstance(failure, RemoteFailure)
    assert (failure.code, failure.reason, failure.message) == ("FAILED_PRECONDITION", "OUT_OF_CHEESE", "None left.")
    assert (failure.field, failure.details) == ("cheese", {"left": "0"})


@pytest.mark.parametrize(
    ("code", "kind"),
    [
        (code_pb2.UNAVAILABLE, UpstreamUnavailable),
        (code_pb2.CANCELLED, UpstreamUnavailable),
        (code_pb2.DEADLINE_EXCEEDED, DeadlineExceeded),
        (code_pb2.UNKNOWN, UpstreamBroken),
        (code_pb2.UNIMPLEMENTED, UpstreamBroken),
        (code_pb2.RESOURCE_EXHAUSTED, UpstreamBroken),
    ],
)
def test_a_status_without_a_reason_was_made_by_grpc_itself(code: code_pb2.Code.ValueType, kind: type[Failure]) -> None:
    assert type(from_status(status_pb2.Status(code=code, message="whatever"))) is kind


def test_a_long_message_leaves_room_for_itself_in_the_metadata_of_a_reply() -> None:
    status = to_status(UnknownTaxonomy("ä" * 100_000, field="taxonomy_id"), domain="a.Service")
    assert len(status.SerializeToString()) < 3500
    assert status.message.endswith("…")

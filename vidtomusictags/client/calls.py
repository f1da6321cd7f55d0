"""Calling a service: the channel of a blocking client, and what a failed call means to its caller."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Iterator
from typing import Generic, TypeVar, cast

import grpc

from vidtomusictags.client.renewing import RenewingChannel
from vidtomusictags.rpc import failures
from vidtomusictags.rpc.admission import with_jitter
from vidtomusictags.rpc.credentials import Credentials
from vidtomusictags.rpc.failures import Failure
from vidtomusictags.rpc.proof import Proof
from vidtomusictags.rpc.status import from_rpc_error

RequestT = TypeVar("RequestT")
AcceptedT = TypeVar("AcceptedT")

_DETAILS = "grpc-status-details-bin"
_UNSEEN_SECONDS = 1.0
"""About how long to stay away where the service's gRPC turned a call away unseen, as it does in a flood."""


def open_channel(target: str, credentials: Credentials | None = None, *, authority: str = "") -> grpc.Channel:
    """A channel for a blocking client. gRPC's own retries are off: on streams they lose messages.

    credentials: what the service is shown and known by; None for plaintext and nothing. authority: host and port that
    its certificate must be for, where the target is one of several addresses of that name. Raises OSError or
    CredentialsUnusable for files that cannot be used, and where a token would be shown to the network.
    """
    options: list[tuple[str, int | str]] = [("grpc.enable_retries", 0)]
    if authority:
        options.append(("grpc.default_authority", authority))
    if credentials is None or credentials == Credentials():
        return grpc.insecure_channel(target, options=options)

    def make(shown: grpc.ChannelCredentials | None) -> grpc.Channel:
        if shown is None:
            return grpc.insecure_channel(target, options=options)
        return grpc.secure_channel(target, shown, options=options)

    proof = Proof(credentials)
    proof.check(target)
    return RenewingChannel(make, proof)


def failure_of(error: grpc.RpcError, *, service: str, target: str, timeout_seconds: float) -> Failure:
    """The failure behind the exception of a call: the service's own, or in plain words what gRPC found.

    service: what people call it, such as `gateway`.
    """
    call = cast("grpc.Call", error)  # every RpcError of a call is one; only their common base does not say so
    if any(key == _DETAILS for key, _ in cast("Iterable[tuple[str, bytes]]", call.trailing_metadata() or ())):
        return from_rpc_error(error)
    code = call.code()
    if code is grpc.StatusCode.UNAVAILABLE:
        return failures.UpstreamUnavailable(_unreachable(call, service, target), details={"target": target})
    if code is grpc.StatusCode.CANCELLED:  # not by this side, which hears of its own otherwise
        return failures.UpstreamUnavailable(
            f"The {service} at {target} had no time to look at the call, or was being stopped; try again after the "
            "delay.",
            retry_after_seconds=with_jitter(_UNSEEN_SECONDS),
            details={"target": target},
        )
    if code is grpc.StatusCode.DEADLINE_EXCEEDED:
        return failures.DeadlineExceeded(f"The {service} gave no answer within {timeout_seconds:g} s; allow more time.")
    if code is grpc.StatusCode.UNIMPLEMENTED:
        return failures.UpstreamBroken(f"What answers at {target} is no {service}; say where the {service} is.")
    return from_rpc_error(error)


def _unreachable(call: grpc.Call, service: str, target: str) -> str:
    """What to do about it; gRPC tells a failed handshake from a closed port in its details alone."""
    if "andshake" in (call.details() or ""):
        return (
            f"The {service} at {target} and this client do not agree on TLS: check that both speak it, that the "
            "service's certificate is for this address and from an authority that is trusted here, and the other way "
            "round."
        )
    return f"The {service} cannot be reached at {target}; start it, or say where it is."


class Conversation(Generic[RequestT, AcceptedT]):
    """The caller's messages of a stream, of which all but the first are held back until the server has accepted.

    gRPC iterates over them in a thread of its own. A failure to make them ends them early, without the counted end
    that the server waits for, and is kept in `failure`; whatever the server then says of that is beside the point.
    """

    def __init__(self, first: RequestT, rest: Callable[[AcceptedT], Iterable[RequestT]]) -> None:
        self._first = first
        self._rest = rest
        self._may_go_on = threading.Event()
        self._accepted: AcceptedT | None = None
        self._over = False
        self.failure: Exception | None = None

    def __iter__(self) -> Iterator[RequestT]:
        yield self._first
        self._may_go_on.wait()
        if self._accepted is None:
            return
        try:
            for request in self._rest(self._accepted):
                if self._over:
                    return
                yield request
        except Exception as error:  # raised again in the caller's thread, see `failure`
            self.failure = error

    def accepted(self, message: AcceptedT) -> None:
        """The server has accepted: send the rest."""
        self._accepted = message
        self._may_go_on.set()

    def end(self) -> None:
        """The call is over: send no more."""
        self._over = True
        self._may_go_on.set()

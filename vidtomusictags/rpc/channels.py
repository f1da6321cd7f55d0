"""Calling: channels with the options that were found to matter."""

from __future__ import annotations

import json
from typing import Any

import grpc

from vidtomusictags.rpc.proof import NOTHING, Proof
from vidtomusictags.rpc.renewing import RenewingChannel

_MAX_MESSAGE_BYTES = 4 * 1024 * 1024
_KEEPALIVE_SECONDS, _LONGEST_ACK_SECONDS = 60.0, 20.0
_OPTIONS: tuple[tuple[str, Any], ...] = (
    ("grpc.max_receive_message_length", _MAX_MESSAGE_BYTES),
    ("grpc.max_send_message_length", _MAX_MESSAGE_BYTES),
    ("grpc.keepalive_permit_without_calls", 0),
    ("grpc.initial_reconnect_backoff_ms", 200),
    ("grpc.max_reconnect_backoff_ms", 1_000),  # a replica that is back is not left alone for long
    # Where all known replicas are gone, the new ones must not stay unknown for gRPC's usual 30 s.
    ("grpc.dns_min_time_between_resolutions_ms", 1_000),
    # gRPC's own retries lose messages of streams (grpc/grpc#40283 and worse); who wants another try makes it.
    ("grpc.enable_retries", 0),
)


def stream_channel(
    target: str, service: str, proof: Proof = NOTHING, *, keepalive_seconds: float = _KEEPALIVE_SECONDS
) -> grpc.aio.Channel:
    """A channel over all addresses of the target that say SERVING for the service. gRPC never retries on it.

    keepalive_seconds: after so long without a word from a connection it is asked for one, and ended where it gives none
    for as long again (20 s at most). Servers that are not ours may allow a ping every five minutes only, and cut
    connections that are asked more often. Raises CredentialsUnusable where a token would be shown to the network.
    """
    return _opened(target, (*_OPTIONS, *_keepalive(keepalive_seconds), _balanced(service)), proof)


def _opened(target: str, options: tuple[tuple[str, Any], ...], proof: Proof) -> grpc.aio.Channel:
    """A channel that shows the proof; a plain one where that is nothing."""

    def make(credentials: grpc.ChannelCredentials | None) -> grpc.aio.Channel:
        if credentials is None:
            return grpc.aio.insecure_channel(target, options=options)
        return grpc.aio.secure_channel(target, credentials, options=options)

    proof.check(target)
    return make(None) if proof is NOTHING else RenewingChannel(make, proof)


def _balanced(service: str) -> tuple[str, str]:
    """Round robin over the replicas, each with a health check of its own."""
    config = {"loadBalancingConfig": [{"round_robin": {}}], "healthCheckConfig": {"serviceName": service}}
    return ("grpc.service_config", json.dumps(config))


def _keepalive(seconds: float) -> list[tuple[str, int]]:
    answer = round(min(seconds, _LONGEST_ACK_SECONDS) * 1000)
    options = [
        ("grpc.keepalive_time_ms", round(seconds * 1000)),
        ("grpc.keepalive_timeout_ms", answer),
        # Without this one a ping without an answer is waited for a minute, whatever keepalive_timeout says (1.85).
        ("grpc.http2.ping_timeout_ms", answer),
    ]
    if seconds < _KEEPALIVE_SECONDS:  # else gRPC asks a quiet connection twice, and then once a minute
        options.append(("grpc.http2.max_pings_without_data", 0))
    return options

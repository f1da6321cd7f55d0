"""Calling: channels with the options that were found to matter, one kind for streams and one for unary calls."""

from __future__ import annotations

import json
from typing import Any

import grpc

from vidtomusictags.rpc.proof import NOTHING, Proof
from vidtomusictags.rpc.renewing import RenewingChannel

_MAX_MESSAGE_BYTES = 4 * 1024 * 1024
_OPTIONS: tuple[tuple[str, Any], ...] = (
    ("grpc.max_receive_message_length", _MAX_MESSAGE_BYTES),
    ("grpc.max_send_message_length", _MAX_MESSAGE_BYTES),
    ("grpc.keepalive_time_ms", 60_000),
    ("grpc.keepalive_timeout_ms", 20_000),
    ("grpc.keepalive_permit_without_calls", 0),
    ("grpc.initial_reconnect_backoff_ms", 200),
    ("grpc.max_reconnect_backoff_ms", 5_000),
)
_RETRIES = {
    "maxAttempts": 3,
    "initialBackoff": "0.2s",  # a backoff of single milliseconds can hang the client
    "maxBackoff": "3s",
    "backoffMultiplier": 2,
    "retryableStatusCodes": ["UNAVAILABLE", "RESOURCE_EXHAUSTED"],
}


def stream_channel(target: str, service: str, proof: Proof = NOTHING) -> grpc.aio.Channel:
    """A channel for calls with a stream in either direction: never retried by gRPC, which would lose messages.

    Raises ValueError where a token would be shown to the network.
    """
    config = _balanced(service)
    options = (*_OPTIONS, ("grpc.service_config", json.dumps(config)), ("grpc.enable_retries", 0))
    return _opened(target, options, proof)


def unary_channel(target: str, service: str, proof: Proof = NOTHING) -> grpc.aio.Channel:
    """A channel for unary calls, retried where the server's pushback allows it and a budget is left.

    Raises as `stream_channel` does.
    """
    config = _balanced(service) | {
        "methodConfig": [{"name": [{"service": service}], "retryPolicy": _RETRIES}],
        "retryThrottling": {"maxTokens": 20, "tokenRatio": 0.1},
    }
    return _opened(target, (*_OPTIONS, ("grpc.service_config", json.dumps(config))), proof)


def _opened(target: str, options: tuple[tuple[str, Any], ...], proof: Proof) -> grpc.aio.Channel:
    """A channel that shows the proof; a plain one where that is nothing."""

    def make(credentials: grpc.ChannelCredentials | None) -> grpc.aio.Channel:
        if credentials is None:
            return grpc.aio.insecure_channel(target, options=options)
        return grpc.aio.secure_channel(target, credentials, options=options)

    proof.check(target)
    return make(None) if proof is NOTHING else RenewingChannel(make, proof)


def _balanced(service: str) -> dict[str, Any]:
    """Round robin over all addresses of the target that say SERVING for the service."""
    return {"loadBalancingConfig": [{"round_robin": {}}], "healthCheckConfig": {"serviceName": service}}

"""A port for probes: health and nothing else, in plaintext, where probes speak no TLS and have no credential."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import grpc
import structlog
from grpc_health.v1 import health_pb2_grpc

from vidtomusictags.rpc.health import Health

log = structlog.get_logger()

_OPTIONS = (
    ("grpc.max_concurrent_streams", 64),
    ("grpc.max_receive_message_length", 4096),
    ("grpc.http2.min_ping_interval_without_data_ms", 20_000),
    ("grpc.keepalive_time_ms", 60_000),
    ("grpc.keepalive_timeout_ms", 20_000),
    ("grpc.max_connection_age_ms", 300_000),
    ("grpc.so_reuseport", 0),
)


@asynccontextmanager
async def answering_probes(listen: str, health: Health) -> AsyncIterator[int]:
    """Answers for `health` on the address `listen` for the length of the block; yields the port. Empty: does nothing.

    Raises OSError for an address that cannot be had.
    """
    if not listen:
        yield 0
        return
    server = grpc.aio.server(options=_OPTIONS)
    health_pb2_grpc.add_HealthServicer_to_server(health, server)
    try:
        port: int = server.add_insecure_port(listen)
    except RuntimeError as error:
        raise OSError(f"cannot answer probes on {listen}: is the address right, and the port free?") from error
    await server.start()
    log.info("answering probes", address=listen, port=port)
    try:
        yield port
    finally:
        await server.stop(None)

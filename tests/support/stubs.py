"""Stubs of gRPC's own services, whose published types do not know that channels may be asynchronous."""

from __future__ import annotations

from typing import Any

import grpc
from grpc_health.v1 import health_pb2_grpc
from grpc_reflection.v1alpha import reflection_pb2_grpc


def health_stub(channel: grpc.aio.Channel) -> Any:
    """Check and Watch."""
    return health_pb2_grpc.HealthStub(channel)


def reflection_stub(channel: Any) -> Any:
    """ServerReflectionInfo."""
    return reflection_pb2_grpc.ServerReflectionStub(channel)

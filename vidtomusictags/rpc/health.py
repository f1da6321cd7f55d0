"""The standard health service: whether this server serves, asked once or watched, by name."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Iterable
from typing import Any

import grpc
from grpc_health.v1 import health_pb2 as pb
from grpc_health.v1 import health_pb2_grpc

SERVICE_NAME: str = pb.DESCRIPTOR.services_by_name["Health"].full_name

_MOST_WATCHES = 64
"""Of one connection. Health asks nobody who they are, and a Watch takes 4 KiB for as long as it is left open; a gRPC
client has one for each replica, a proxy those of its clients."""


class Health(health_pb2_grpc.HealthServicer):
    """Answers for every name it was told of. Used on one event loop.

    The servicer of grpcio-health-checking forgets all watchers of a name as soon as one of them leaves, so that the end
    of one gateway would keep the others from hearing of a drain; and nothing ends its Watch calls.
    """

    def __init__(self) -> None:
        self._serving: dict[str, bool] = {}
        self._watches: Counter[str] = Counter()
        self._changed = asyncio.Event()
        self._leaving = False
        self._closed = False

    def set(self, names: Iterable[str], *, serving: bool) -> None:
        """From now on these names serve, or do not; watchers hear of it."""
        self._serving.update(dict.fromkeys(names, serving))
        self._wake()

    def leave(self) -> None:
        """From now on nothing serves, whatever is set later; watchers hear of it."""
        self._leaving = True
        self._wake()

    def close(self) -> None:
        """Ends the calls of all watchers, so that they do not hold up the end of the server."""
        self._closed = True
        self._wake()

    async def Check(self, request: pb.HealthCheckRequest, context: Any) -> pb.HealthCheckResponse:
        """The status of a name now; NOT_FOUND for one that is not known."""
        if request.service not in self._serving:
            await context.abort(grpc.StatusCode.NOT_FOUND, "There is no service of that name here.")
        return self._reply(request.service)

    async def Watch(self, request: pb.HealthCheckRequest, context: Any) -> AsyncIterator[pb.HealthCheckResponse]:
        """The status of a name now, and then every change; the last one is told even where the end follows at once.

        RESOURCE_EXHAUSTED for one more than 64 on one connection.
        """
        connection = context.peer()
        if self._watches[connection] >= _MOST_WATCHES:
            await context.abort(grpc.StatusCode.RESOURCE_EXHAUSTED, "This connection watches too much already.")
        self._watches[connection] += 1
        try:
            told = None
            while True:
                changed, reply = self._changed, self._reply(request.service)
                if reply != told:
                    yield reply
                    told = reply
                if self._closed:
                    return
                await changed.wait()
        finally:
            self._watches[connection] -= 1
            self._watches += Counter()  # forgets connections without any

    def _reply(self, name: str) -> pb.HealthCheckResponse:
        if name not in self._serving:
            return pb.HealthCheckResponse(status=pb.HealthCheckResponse.SERVICE_UNKNOWN)
        serving = self._serving[name] and not self._leaving
        status = pb.HealthCheckResponse.SERVING if serving else pb.HealthCheckResponse.NOT_SERVING
        return pb.HealthCheckResponse(status=status)

    def _wake(self) -> None:
        changed, self._changed = self._changed, asyncio.Event()
        changed.set()

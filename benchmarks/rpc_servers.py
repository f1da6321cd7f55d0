"""The two servers of the gRPC benchmark: `rpc_servers.py bare|captioner` prints its port and serves until a signal."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import grpc

from captioner_service.app import running
from captioner_service.settings import CaptionerSettings
from vidtomusictags.captioner.v1 import captioner_pb2 as pb
from vidtomusictags.captioner.v1 import captioner_pb2_grpc
from vidtomusictags.rpc.logs import write_logs
from vidtomusictags.rpc.server import OPTIONS, serve_until_signal


class Bare(captioner_pb2_grpc.CaptionerServiceServicer):
    """Reads messages, does nothing with them, answers at the end."""

    async def Caption(self, request_iterator: AsyncIterator[pb.CaptionRequest], context: Any) -> Any:
        """See the contract, of which this keeps the least that a caller can be measured with."""
        yield pb.CaptionResponse(sequence=1, accepted=pb.CaptionAccepted())
        async for _ in request_iterator:
            pass
        yield pb.CaptionResponse(sequence=2, completed=pb.CaptionCompleted())


@asynccontextmanager
async def bare() -> AsyncIterator[int]:
    """A server without layers."""
    server = grpc.aio.server(options=OPTIONS)
    captioner_pb2_grpc.add_CaptionerServiceServicer_to_server(Bare(), server)
    port = server.add_insecure_port("127.0.0.1:0")
    await server.start()
    yield port
    await server.stop(None)


@asynccontextmanager
async def announced(kind: str) -> AsyncIterator[int]:
    """The server of that kind, its port printed."""
    settings = CaptionerSettings(listen="127.0.0.1:0", engine="instant", drain_announce_seconds=0)
    async with bare() if kind == "bare" else running(settings) as port:
        print(port, flush=True)
        yield port


if __name__ == "__main__":
    write_logs(service="benchmark", stream=sys.stderr, level="ERROR")
    asyncio.run(serve_until_signal(announced(sys.argv[1])))

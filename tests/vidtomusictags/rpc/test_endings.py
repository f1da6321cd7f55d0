"""What a server said is known to a caller whose write failed after that."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from typing import Any

import grpc
import pytest

from vidtomusictags.captioner.v1 import captioner_pb2 as pb
from vidtomusictags.captioner.v1 import captioner_pb2_grpc
from vidtomusictags.rpc.endings import BROKEN_CALL, Ending
from vidtomusictags.rpc.failures import QueueFull
from vidtomusictags.rpc.layers import DETAILS
from vidtomusictags.rpc.status import from_rpc_error, to_status

CONFIG = pb.CaptionRequest(config=pb.CaptionConfig(request_id="early"))


class Hasty(captioner_pb2_grpc.CaptionerServiceServicer):
    """Ends every call unread, as servers do that are not ours."""

    def __init__(self) -> None:
        self.ending = asyncio.Event()
        self.fails = True

    async def Caption(self, request_iterator: Any, context: Any) -> AsyncIterator[pb.CaptionResponse]:
        self.ending.set()
        if self.fails:
            status = to_status(QueueFull("Come back later.", retry_after_seconds=2), domain="d")
            await context.abort(
                grpc.StatusCode.RESOURCE_EXHAUSTED,
                status.message,
                trailing_metadata=((DETAILS, status.SerializeToString()),),
            )
        yield pb.CaptionResponse(sequence=1)

    async def write_late(self, stub: Any) -> tuple[Any, Ending]:
        """A call that is written to when its end has reached this process, and the event loop does not know it yet."""
        self.ending.clear()
        call = stub.Caption(timeout=10)
        ending = Ending(call)
        await call.wait_for_connection()
        await self.ending.wait()
        time.sleep(0.05)  # noqa: ASYNC251  # what gRPC's threads hear meanwhile comes to the loop after the write
        return call, ending


@pytest.fixture
async def hasty() -> AsyncIterator[tuple[Hasty, Any]]:
    servicer, server = Hasty(), grpc.aio.server()
    captioner_pb2_grpc.add_CaptionerServiceServicer_to_server(servicer, server)
    port = server.add_insecure_port("127.0.0.1:0")
    await server.start()
    async with grpc.aio.insecure_channel(f"127.0.0.1:{port}") as channel:
        yield servicer, captioner_pb2_grpc.CaptionerServiceStub(channel)
    await server.stop(None)


async def test_a_failed_write_does_not_hide_what_the_server_said(hasty: tuple[Hasty, Any]) -> None:
    servicer, stub = hasty
    hidden = 0
    for _ in range(20):
        call, ending = await servicer.write_late(stub)
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            await call.write(CONFIG)
            await call.read()
        hidden += caught.value.details() == BROKEN_CALL
        failure = from_rpc_error(ending.behind(caught.value))
        assert isinstance(failure, QueueFull)
        assert (failure.message, failure.retry_after_seconds) == ("Come back later.", 2)
        call.cancel()
    assert hidden  # else gRPC has mended it (grpc/grpc#36066), and this file can go


async def test_an_error_that_hides_nothing_stays_as_it_is(hasty: tuple[Hasty, Any]) -> None:
    servicer, stub = hasty
    call, ending = await servicer.write_late(stub)
    other = grpc.aio.AioRpcError(grpc.StatusCode.INTERNAL, grpc.aio.Metadata(), grpc.aio.Metadata(), details="its own")
    assert ending.behind(other) is other
    call.cancel()


async def test_a_call_that_ended_well_has_no_error(hasty: tuple[Hasty, Any]) -> None:
    servicer, stub = hasty
    servicer.fails = False
    call = stub.Caption(timeout=10)
    ending = Ending(call)
    await call.done_writing()
    assert [reply.sequence async for reply in call] == [1]
    assert ending.error is None

"""What examples/own_captioner/check.py says of captioners: of ours and of the example nothing, of others the truth."""

from __future__ import annotations

import sys
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import grpc
import pytest

from captioner_service.app import running
from captioner_service.settings import CaptionerSettings
from vidtomusictags.captioner.v1 import captioner_pb2 as pb
from vidtomusictags.captioner.v1 import captioner_pb2_grpc

FOLDER = Path(__file__).parents[2] / "examples/own_captioner"


@pytest.fixture(name="example")
def _example() -> Iterator[Any]:
    """The modules of the example: `captioner` and `check`."""
    sys.path.insert(0, str(FOLDER))
    try:
        import captioner
        import check

        yield captioner, check
    finally:
        sys.path.remove(str(FOLDER))


@asynccontextmanager
async def serving(servicer: Any) -> AsyncIterator[str]:
    server = grpc.aio.server()
    captioner_pb2_grpc.add_CaptionerServiceServicer_to_server(servicer, server)  # type: ignore[no-untyped-call]
    port = server.add_insecure_port("127.0.0.1:0")
    await server.start()
    try:
        yield f"127.0.0.1:{port}"
    finally:
        await server.stop(0)


async def test_the_example_does_all_that_a_gateway_counts_on(example: Any) -> None:
    captioner, check = example
    async with serving(captioner.OwnCaptioner()) as target:
        assert await check.faults_of(target) == []


async def test_the_captioner_service_does_all_that_a_gateway_counts_on(example: Any) -> None:
    _, check = example
    async with running(CaptionerSettings(listen="127.0.0.1:0", engine="instant", drain_announce_seconds=0)) as port:
        assert await check.faults_of(f"127.0.0.1:{port}") == []


async def test_of_a_careless_one_each_fault_is_told(example: Any) -> None:
    captioner, check = example

    class Careless(captioner.OwnCaptioner):  # type: ignore[misc]
        async def GetModel(self, request: Any, context: Any) -> Any:
            return pb.GetModelResponse(model="careless", encodings=captioner.MODEL.encodings, max_frames=8)

        async def Caption(self, requests: AsyncIterator[Any], context: Any) -> AsyncIterator[Any]:
            async for request in requests:
                if request.HasField("config"):
                    accepted = pb.CaptionAccepted(request_id=request.config.request_id)
                    yield pb.CaptionResponse(sequence=1, accepted=accepted)
            yield pb.CaptionResponse(sequence=1, summary=pb.Summary(text="Something."))

    async with serving(Careless()) as target:
        faults = await check.faults_of(target)
    assert [fault.partition(" But: ")[2] for fault in faults] == [
        "`frame_short_side` is 0.",
        "`sequence` has gaps.",
        "it was described all the same.",
        "it was described all the same.",
        "it was described all the same.",
    ]


async def test_of_one_that_cannot_be_reached_that_is_told(example: Any) -> None:
    _, check = example
    [fault] = await check.faults_of("127.0.0.1:1")
    assert fault.startswith("GetModel fails: UNAVAILABLE")

"""The example of a captioner of one's own serves the real gateway, and needs no more than a client does."""

from __future__ import annotations

import ast
import asyncio
import re
import sys
from pathlib import Path

import grpc
import pytest
from fake_upstreams import FakeClassifier, serving_classifier
from tagging_calls import tag_video

from gateway.app import running
from gateway.settings import GatewaySettings
from vidtomusictags.captioner.v1 import captioner_pb2 as pb
from vidtomusictags.captioner.v1 import captioner_pb2_grpc
from vidtomusictags.gateway.v1 import gateway_pb2_grpc

EXAMPLE = Path(__file__).parents[2] / "examples/own_captioner/captioner.py"


async def test_the_gateway_tags_by_a_captioner_of_ones_own(film: Path, tmp_path: Path) -> None:
    process = await asyncio.create_subprocess_exec(
        sys.executable, EXAMPLE, "127.0.0.1:0", stdout=asyncio.subprocess.PIPE
    )
    try:
        assert process.stdout
        async with asyncio.timeout(60):
            line = (await process.stdout.readline()).decode()
        port = int(re.fullmatch(r"listening on port (\d+)\n", line)[1])  # type: ignore[index]
        async with serving_classifier(FakeClassifier()) as classifier:
            settings = GatewaySettings(
                listen="127.0.0.1:0",
                captioner=f"127.0.0.1:{port}",
                classifier=f"127.0.0.1:{classifier}",
                roots=(film.parent,),
                spool_directory=tmp_path,
                decode_workers=1,
                drain_announce_seconds=0,
            )
            async with running(settings) as gateway, grpc.aio.insecure_channel(f"127.0.0.1:{gateway}") as channel:
                stub = gateway_pb2_grpc.TaggingServiceStub(channel)  # type: ignore[no-untyped-call]
                result = (await tag_video(stub, f"file://{film}")).result
        assert result.summary.text.startswith("A quiet forest")
        assert result.summary.provenance.model == "forest-1"
        assert [tag.id for tag in result.classification.tags] == ["nature"]
        await _refuses_a_cut_stream(port)
    finally:
        process.kill()
        await process.wait()


async def _refuses_a_cut_stream(port: int) -> None:
    async with grpc.aio.insecure_channel(f"127.0.0.1:{port}") as channel:
        stub = captioner_pb2_grpc.CaptionerServiceStub(channel)  # type: ignore[no-untyped-call]
        call = stub.Caption(timeout=30)
        await call.write(pb.CaptionRequest(config=pb.CaptionConfig(request_id="cut")))
        assert (await call.read()).accepted.request_id == "cut"
        await call.done_writing()
        with pytest.raises(grpc.RpcError) as refused:
            await call.read()
        assert refused.value.code() is grpc.StatusCode.INVALID_ARGUMENT  # type: ignore[attr-defined]


def test_it_imports_grpcio_the_contract_and_the_standard_library() -> None:
    imported = set()
    for node in ast.walk(ast.parse(EXAMPLE.read_text())):
        if isinstance(node, ast.Import):
            imported |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            imported.add(str(node.module))
    ours = {name for name in imported if name.partition(".")[0] not in sys.stdlib_module_names}
    assert {name for name in ours if not re.fullmatch(r"vidtomusictags\.(captioner|media)\.v1(\.\w+)?", name)} == {
        "grpc"
    }

"""The services as the processes that are deployed: started by the command, ended by a signal."""

from __future__ import annotations

import asyncio
import signal
import sys
from pathlib import Path
from typing import Any

import grpc
import pytest
from fake_upstreams import FakeCaptioner, FakeClassifier, serving_captioner, serving_classifier
from grpc_health.v1 import health_pb2
from service_processes import served
from stubs import health_stub
from tagging_calls import Outcome, hear

from vidtomusictags.captioner.v1 import captioner_pb2, captioner_pb2_grpc
from vidtomusictags.gateway.v1 import gateway_pb2, gateway_pb2_grpc
from vidtomusictags.media.v1 import media_pb2
from vidtomusictags.rpc.status import from_rpc_error

GRPCURL = Path(sys.executable).parent / "grpcurl"


async def test_a_captioner_that_is_told_to_stop_finishes_its_stream_and_turns_others_away() -> None:
    async with served("captioner") as (service, channel):
        stub: Any = captioner_pb2_grpc.CaptionerServiceStub(channel)
        watching = health_stub(channel).Watch(health_pb2.HealthCheckRequest(service="readiness"))
        assert (await watching.read()).status == health_pb2.HealthCheckResponse.SERVING
        size = media_pb2.FrameSize(width=64, height=48)
        config = captioner_pb2.CaptionConfig(
            request_id="running", encoding=media_pb2.FRAME_ENCODING_RGB24, frame_size=size
        )
        running = stub.Caption(timeout=60)
        await running.write(captioner_pb2.CaptionRequest(config=config))
        assert (await running.read()).HasField("accepted")

        service.process.send_signal(signal.SIGTERM)
        assert (await watching.read()).status == health_pb2.HealthCheckResponse.NOT_SERVING
        await service.until("draining")
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            await stub.CaptionClip(captioner_pb2.CaptionClipRequest(), timeout=10)
        late = from_rpc_error(caught.value)
        assert (late.code, late.reason) == ("UNAVAILABLE", "DRAINING")
        assert late.retry_after_seconds

        frames = [media_pb2.Frame(index=index, data=bytes([80 * index]) * 64 * 48 * 3) for index in range(2)]
        await running.write(captioner_pb2.CaptionRequest(frames=captioner_pb2.FrameBatch(frames=frames)))
        await running.write(captioner_pb2.CaptionRequest(end_of_input=captioner_pb2.EndOfInput(frame_count=2)))
        await running.done_writing()
        assert (await running.read()).summary.text
        assert (await running.read()).HasField("completed")
        assert await running.read() is grpc.aio.EOF
        assert await service.ends() == 0
        answered = [line for line in service.lines if line["event"] == "answered"]
        assert [(line["code"], line.get("request_id")) for line in answered if line["method"].endswith("/Caption")] == [
            ("OK", "running")
        ]
        assert {line["service"] for line in answered} == {"captioner"}


async def test_a_gateway_that_is_told_to_stop_finishes_its_upload_and_leaves_nothing(
    film: Path, tmp_path: Path
) -> None:
    data = film.read_bytes()  # noqa: ASYNC240  # a test may wait
    async with (
        serving_captioner(FakeCaptioner()) as captioner,
        serving_classifier(FakeClassifier()) as classifier,
        served(
            "gateway",
            captioner=f"127.0.0.1:{captioner}",
            classifier=f"127.0.0.1:{classifier}",
            spool_directory=tmp_path,
            decode_workers=1,
        ) as (service, channel),
    ):
        outcome = Outcome()
        stub: Any = gateway_pb2_grpc.TaggingServiceStub(channel)
        running = stub.TagUpload(timeout=60)
        await running.write(gateway_pb2.TagUploadRequest(config=gateway_pb2.UploadConfig(request_id="running")))
        assert (await running.read()).event.HasField("accepted")

        service.process.send_signal(signal.SIGTERM)
        await service.until("draining")
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            await stub.TagVideo(gateway_pb2.TagVideoRequest(uri="file:///x"), timeout=10).read()
        late = from_rpc_error(caught.value)
        assert (late.code, late.reason, bool(late.retry_after_seconds)) == ("UNAVAILABLE", "DRAINING", True)

        await running.write(gateway_pb2.TagUploadRequest(chunk=gateway_pb2.UploadChunk(data=data)))
        end = gateway_pb2.EndOfUpload(size_bytes=len(data))
        await running.write(gateway_pb2.TagUploadRequest(end_of_input=end))
        await running.done_writing()
        assert (await hear(running, outcome)).result.classification.tags
        assert await service.ends() == 0
    assert list(tmp_path.iterdir()) == []  # noqa: ASYNC240


@pytest.mark.parametrize("how", [signal.SIGTERM, signal.SIGINT], ids=lambda how: how.name)
async def test_an_idle_service_stops_at_once(how: signal.Signals) -> None:
    async with served("gateway", decode_workers=1) as (service, _):
        service.process.send_signal(how)
        assert await service.ends() == 0
        assert [line["event"] for line in service.lines[-2:]] == ["draining", "stopped"]


async def test_a_second_signal_does_not_wait_for_anybody() -> None:
    async with served("gateway", decode_workers=1, drain_announce_seconds=60) as (service, channel):
        watching = health_stub(channel).Watch(health_pb2.HealthCheckRequest(service="readiness"))
        await watching.read()
        service.process.send_signal(signal.SIGTERM)
        assert (await watching.read()).status == health_pb2.HealthCheckResponse.NOT_SERVING
        service.process.send_signal(signal.SIGTERM)
        assert await service.ends() == -signal.SIGTERM


async def test_grpcurl_watches_a_service_go() -> None:
    async with served("gateway", decode_workers=1) as (service, _):
        port = next(line["port"] for line in service.lines if line["event"] == "listening")
        watching = await asyncio.create_subprocess_exec(
            *(GRPCURL, "-plaintext", "-d", '{"service": "readiness"}'),
            *(f"127.0.0.1:{port}", "grpc.health.v1.Health/Watch"),
            stdout=asyncio.subprocess.PIPE,
        )
        assert watching.stdout is not None
        async with asyncio.timeout(20):
            assert b"SERVING" in await watching.stdout.readuntil(b"}")
            service.process.send_signal(signal.SIGTERM)
            assert b"NOT_SERVING" in await watching.stdout.readuntil(b"}")
            assert await watching.wait() == 0
        assert await service.ends() == 0

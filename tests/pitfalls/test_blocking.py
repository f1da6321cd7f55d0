"""Work that blocks is done elsewhere, so that whoever asks whether this lives is answered."""

from __future__ import annotations

import asyncio
from typing import Any

import grpc
import pytest
from grpc_health.v1 import health_pb2
from scripted_engine import ENGINE, SCRIPT
from stubs import health_stub

from captioner_service.app import running
from captioner_service.engines import ENGINES
from captioner_service.settings import CaptionerSettings
from vidtomusictags.captioner.v1 import captioner_pb2 as pb
from vidtomusictags.captioner.v1 import captioner_pb2_grpc
from vidtomusictags.media.v1 import media_pb2


async def test_health_answers_while_the_model_works(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(ENGINES, "scripted", ENGINE)
    SCRIPT.forget()
    SCRIPT.go.clear()
    settings = CaptionerSettings(listen="127.0.0.1:0", engine="scripted", drain_announce_seconds=0)
    async with running(settings) as port, grpc.aio.insecure_channel(f"127.0.0.1:{port}") as channel:
        stub: Any = captioner_pb2_grpc.CaptionerServiceStub(channel)
        size = media_pb2.FrameSize(width=4, height=4)
        config = pb.CaptionConfig(encoding=media_pb2.FRAME_ENCODING_RGB24, frame_size=size)
        request = pb.CaptionClipRequest(config=config, frames=[media_pb2.Frame(data=bytes(48))])
        working = asyncio.ensure_future(stub.CaptionClip(request, timeout=30))
        try:
            assert await asyncio.to_thread(SCRIPT.begun.wait, 10)
            for _ in range(3):
                asked = health_pb2.HealthCheckRequest(service="readiness")
                reply = await health_stub(channel).Check(asked, timeout=2)
                assert reply.status == health_pb2.HealthCheckResponse.SERVING
            assert not working.done()
        finally:
            SCRIPT.go.set()
        assert (await working).summary.text

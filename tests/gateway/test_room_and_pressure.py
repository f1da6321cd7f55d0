"""What is refused before anything is read: for want of decoders, of time, or of room behind the gateway."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from pathlib import Path
from typing import Any

import grpc
import pytest
from tagging_calls import Outcome, hear, tag_video

from gateway.pressure import Pressure
from gateway.video.limits import SandboxLimits
from gateway.video.sandbox import Sandbox
from vidtomusictags.gateway.v1 import gateway_pb2 as pb
from vidtomusictags.rpc.failures import CaptioningFailed, QueueFull, WouldMissDeadline
from vidtomusictags.rpc.status import from_rpc_error


async def busy_sandbox(*, waiting: int, usual_seconds: float, **limits: Any) -> Sandbox:
    """Two workers that are both taken, without any process."""
    sandbox = Sandbox(SandboxLimits(workers=2, **limits))
    for _ in range(2):
        await sandbox._turns.acquire()
    sandbox._learn(usual_seconds)
    sandbox.waiting = waiting
    return sandbox


class TestDecoders:
    async def test_while_one_is_free_nobody_is_refused(self) -> None:
        sandbox = await busy_sandbox(waiting=0, usual_seconds=100.0)
        sandbox._turns.release()
        sandbox.check_room(0.1)

    async def test_a_wait_of_more_than_half_of_the_time_left_is_refused(self) -> None:
        sandbox = await busy_sandbox(waiting=3, usual_seconds=1.0)  # two seconds to wait
        sandbox.check_room(4.1)
        with pytest.raises(WouldMissDeadline) as refused:
            sandbox.check_room(3.9)
        assert "about 2.0 s to be decoded and only 3.9 s" in refused.value.message

    async def test_a_line_is_bounded_by_time_even_where_callers_have_plenty(self) -> None:
        sandbox = await busy_sandbox(waiting=30, usual_seconds=1.0, longest_wait_seconds=15.0)
        with pytest.raises(QueueFull) as refused:
            sandbox.check_room(600.0)
        assert refused.value.retry_after_seconds is not None
        assert 0.5 <= refused.value.retry_after_seconds <= 7.5

    async def test_a_gateway_asks_before_it_accepts(
        self, gateway: Any, gateway_with: Any, film: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        def full(self: Sandbox, within_seconds: float) -> None:
            assert 0 < within_seconds < 31  # clocks are converted on the way
            raise QueueFull("Too many wait; try again after the delay.", retry_after_seconds=0.1)

        async with gateway_with(gateway.captioner, gateway.classifier, tmp_path) as own:
            monkeypatch.setattr(Sandbox, "check_room", full)
            refused = await tag_video(own.stub, "file:///not/even/looked/at")
            assert refused.events == []
            assert (refused.failure.code, refused.failure.reason) == ("RESOURCE_EXHAUSTED", "QUEUE_FULL")
            call = own.stub.TagUpload(timeout=30)
            with pytest.raises(grpc.aio.AioRpcError) as caught:
                await call.read()  # nothing was sent, and still it is answered
            assert from_rpc_error(caught.value).reason == "QUEUE_FULL"


class TestPressure:
    def test_two_refusals_behind_are_heeded_for_half_of_the_delay_they_asked_for(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        now = 100.0
        monkeypatch.setattr("gateway.pressure.time.monotonic", lambda: now)
        pressure = Pressure()
        for _ in range(2):
            pressure.check()
            with pytest.raises(QueueFull), pressure.heeded():
                raise QueueFull("Wait.", retry_after_seconds=1.0)
        now = 100.4
        with pytest.raises(QueueFull) as refused:
            pressure.check()
        assert refused.value.retry_after_seconds
        now = 100.6
        pressure.check()

    def test_other_failures_are_no_sign_of_it(self) -> None:
        pressure = Pressure()
        for failure in (QueueFull, CaptioningFailed, QueueFull, CaptioningFailed):
            with pytest.raises(failure), pressure.heeded():
                raise failure("Wait.", retry_after_seconds=60.0)
        for refused in (True, False, True):
            with suppress(QueueFull), pressure.heeded():
                if refused:
                    raise QueueFull("Wait.", retry_after_seconds=60.0)
        pressure.check()

    async def test_nothing_is_decoded_for_a_captioner_that_has_just_said_it_is_full(
        self, gateway: Any, gateway_with: Any, film: Path, tmp_path: Path
    ) -> None:
        async def full() -> None:
            raise QueueFull("32 clips wait.", retry_after_seconds=60.0)

        async with gateway_with(gateway.captioner, gateway.classifier, tmp_path, upstream_attempts=1) as own:
            clip = own.root / "film.mp4"
            clip.write_bytes(film.read_bytes())  # noqa: ASYNC240  # a test may wait
            gateway.captioner.on_config = full
            for _ in range(2):
                first = await tag_video(own.stub, f"file://{clip}")
                assert (first.failure.reason, first.kinds[0]) == ("QUEUE_FULL", "accepted")
            second = await tag_video(own.stub, f"file://{clip}")
            assert second.events == [], "it was refused before it was accepted, and nothing was decoded"
            assert (second.failure.code, second.failure.reason) == ("RESOURCE_EXHAUSTED", "QUEUE_FULL")
            assert second.failure.retry_after_seconds
            gateway.captioner.forget()
            await asyncio.sleep(1.1)
            call = own.stub.TagVideo(pb.TagVideoRequest(uri=f"file://{clip}"), timeout=30)
            assert (await hear(call, Outcome())).result

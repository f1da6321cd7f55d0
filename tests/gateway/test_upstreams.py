"""What a failure of the captioner or the classifier means to the gateway's caller."""

from __future__ import annotations

import asyncio
import shutil
import time
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import pytest
from fake_upstreams import FakeCaptioner, FakeClassifier, raising, serving_captioner, serving_classifier
from log_lines import LogLines
from tagging_calls import tag_upload, tag_video

from gateway.app import running
from gateway.clients import CAPTIONER
from gateway.settings import GatewaySettings
from gateway.upstream import hearing
from vidtomusictags.captioner.v1 import captioner_pb2, captioner_pb2_grpc
from vidtomusictags.gateway.v1 import gateway_pb2_grpc
from vidtomusictags.rpc import failures
from vidtomusictags.rpc.channels import stream_channel
from vidtomusictags.rpc.endings import Ending
from vidtomusictags.rpc.failures import Failure


class Denied(Failure):
    """What an upstream with credentials of its own might say."""

    code, reason = "PERMISSION_DENIED", "TOKEN_REJECTED"


class Unauthenticated(Failure):
    code, reason = "UNAUTHENTICATED", "TOKEN_MISSING"


TAGGING = "vidtomusictags.gateway.v1.TaggingService"
SECRET = "token sk-123 of http://10.0.0.7:9 was refused"


async def tagged(gateway: Any) -> Any:
    return await tag_video(gateway.stub, f"file://{gateway.root}/film.mp4")


@pytest.mark.parametrize("kind", [Denied, Unauthenticated, failures.FrameInvalid, failures.ConfigMissing])
@pytest.mark.parametrize("where", ["on_model", "on_config", "on_frames", "on_summary"])
async def test_what_no_caller_can_mend_is_not_shown_as_theirs(
    kind: type[Failure], where: str, gateway: Any, gateway_with: Any, tmp_path: Path, logs: LogLines
) -> None:
    fake = gateway.classifier if where == "on_summary" else gateway.captioner
    setattr(fake, where, raising(kind(SECRET)))
    if where == "on_model":  # asked anew by a gateway that does not know the answer yet
        async with gateway_with(gateway.captioner, gateway.classifier, tmp_path) as fresh:
            (fresh.root / "film.mp4").write_bytes((gateway.root / "film.mp4").read_bytes())
            outcome = await tagged(fresh)
    else:
        outcome = await tagged(gateway)
    assert (outcome.failure.code, outcome.failure.reason) == ("INTERNAL", "UPSTREAM_BROKEN")
    assert "sk-123" not in outcome.failure.message
    assert "10.0.0.7" not in outcome.failure.message
    assert [line["reason"] for line in logs.of("upstream refused")] == [kind.reason]


@pytest.mark.parametrize(
    "failure",
    [
        failures.QueueFull("Wait.", retry_after_seconds=0.75),
        failures.WouldMissDeadline("Allow more time."),
        failures.CaptioningFailed("Send other frames."),
        failures.TooManyFrames("Sample fewer."),
    ],
    ids=lambda failure: type(failure).__name__,
)
async def test_what_the_caller_can_act_on_is_passed_on(failure: Failure, gateway: Any) -> None:
    gateway.captioner.on_frames = raising(failure)
    got = (await tagged(gateway)).failure
    assert (type(got), got.message) == (type(failure), failure.message)
    assert got.retry_after_seconds == failure.retry_after_seconds


async def test_a_caller_with_little_time_hears_that_and_not_that_a_replica_is_lost(
    gateway: Any, logs: LogLines
) -> None:
    outcome = await tag_video(gateway.stub, f"file://{gateway.root}/film.mp4", timeout_seconds=0.2)
    assert isinstance(outcome.failure, failures.DeadlineExceeded)
    assert logs.of("upstream unavailable") == logs.of("upstream attempt failed") == []


async def test_an_upstream_that_drains_is_one_that_cannot_be_reached(gateway: Any) -> None:
    gateway.captioner.on_config = raising(failures.Draining("I go.", retry_after_seconds=0.2))
    failure = (await tagged(gateway)).failure
    assert (failure.code, failure.reason) == ("UNAVAILABLE", "UPSTREAM_UNAVAILABLE")
    assert failure.retry_after_seconds


@pytest.mark.parametrize("down", ["captioner", "classifier"])
async def test_an_upstream_that_is_down_is_unavailable_and_unnamed(down: str, tmp_path: Path, film: Path) -> None:
    async with AsyncExitStack() as stack:
        targets: dict[str, Any] = {"captioner": "127.0.0.1:1", "classifier": "127.0.0.1:1"}
        if down == "classifier":
            port = await stack.enter_async_context(serving_captioner(FakeCaptioner()))
            targets["captioner"] = f"127.0.0.1:{port}"
        else:
            port = await stack.enter_async_context(serving_classifier(FakeClassifier()))
            targets["classifier"] = f"127.0.0.1:{port}"
        hosted: dict[str, Any] = {"listen": "127.0.0.1:0", "drain_announce_seconds": 0, "decode_workers": 1}
        hosted["upstream_attempts"] = 3
        settings = GatewaySettings(**hosted, roots=(film.parent,), **targets)
        port = await stack.enter_async_context(running(settings))
        channel = await stack.enter_async_context(stream_channel(f"127.0.0.1:{port}", TAGGING))
        stub = gateway_pb2_grpc.TaggingServiceStub(channel)
        began = time.monotonic()
        outcomes = [await tag_video(stub, f"file://{film}"), await tag_upload(stub, [])]
        assert time.monotonic() - began < 10
        for outcome in outcomes:
            assert outcome.events == []
            failure = outcome.failure
            assert (failure.code, failure.reason) == ("UNAVAILABLE", "UPSTREAM_UNAVAILABLE")
            assert failure.retry_after_seconds
            assert down in failure.message
            assert "127.0.0.1" not in failure.message


async def test_an_upstream_that_comes_back_is_used_again(
    film: Path,
) -> None:
    async with AsyncExitStack() as stack:
        classifier = await stack.enter_async_context(serving_classifier(FakeClassifier()))
        async with serving_captioner(FakeCaptioner()) as port:
            settings = GatewaySettings(
                listen="127.0.0.1:0",
                drain_announce_seconds=0,
                roots=(film.parent,),
                decode_workers=1,
                upstream_attempts=2,
                captioner=f"127.0.0.1:{port}",
                classifier=f"127.0.0.1:{classifier}",
            )
            own = await stack.enter_async_context(running(settings))
            channel = await stack.enter_async_context(stream_channel(f"127.0.0.1:{own}", TAGGING))
            stub = gateway_pb2_grpc.TaggingServiceStub(channel)
            assert (await tag_video(stub, f"file://{film}")).result
        assert (await tag_video(stub, f"file://{film}")).failure.reason == "UPSTREAM_UNAVAILABLE"
        async with serving_captioner(FakeCaptioner(), listen=f"127.0.0.1:{port}"):
            async with asyncio.timeout(10):
                while (await tag_video(stub, f"file://{film}")).status is not None:
                    pass  # each of these calls waits for the network


class Abrupt(FakeCaptioner):
    """Ends a stream while frames come, by the status alone and without reading on, as captioners may that are not ours.

    Its end reaches the gateway together with `accepted`, before the gateway can write what follows.
    """

    def Caption(self, request_iterator: Any, context: Any) -> Any:
        async def events() -> AsyncIterator[captioner_pb2.CaptionResponse]:
            await anext(aiter(request_iterator))
            yield captioner_pb2.CaptionResponse(sequence=1, accepted=captioner_pb2.CaptionAccepted())
            asyncio.get_running_loop().call_soon(time.sleep, 0.05)
            raise failures.CaptioningFailed("Send other frames.")

        return events()


async def test_a_captioner_that_ends_a_stream_while_frames_are_written_is_understood(
    gateway_with: Any, film: Path, tmp_path: Path
) -> None:
    async with gateway_with(Abrupt(), FakeClassifier(), tmp_path) as own:
        shutil.copy(film, own.root / "film.mp4")
        reasons = [(await tagged(own)).failure.reason for _ in range(10)]
    assert reasons == ["CAPTIONING_FAILED"] * 10


async def test_a_message_for_a_call_that_is_over_fails_as_the_call_did() -> None:
    async with (
        serving_captioner(Abrupt()) as port,
        stream_channel(f"127.0.0.1:{port}", CAPTIONER) as channel,
    ):
        call = captioner_pb2_grpc.CaptionerServiceStub(channel).Caption(timeout=30)
        ending = Ending(call)
        message = captioner_pb2.CaptionRequest(config=captioner_pb2.CaptionConfig())
        await call.write(message)
        await call.read()
        await call.code()
        with pytest.raises(failures.CaptioningFailed, match="other frames"), hearing(ending):
            await call.write(message)

"""Channels: nothing is ever tried again by ours; those of others that do, obey what our servers say about it."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator

import grpc
import pytest
from log_lines import LogLines
from scripted_server import NAME, Hosted, failure_of, raising

from vidtomusictags.captioner.v1 import captioner_pb2 as pb
from vidtomusictags.rpc.channels import stream_channel
from vidtomusictags.rpc.failures import Failure, InvalidRequest, QueueFull, StreamsFull

CONFIG = pb.CaptionRequest(config=pb.CaptionConfig())
CLIP = pb.CaptionClipRequest()


@pytest.fixture
async def streams(hosted: Hosted) -> AsyncIterator[Hosted]:
    async with stream_channel(hosted.address, NAME) as channel:
        yield Hosted(hosted.script, hosted.host, channel)


@pytest.fixture
async def unary(hosted: Hosted) -> AsyncIterator[Hosted]:
    """A stock client that lets gRPC retry its unary calls."""
    retries = {
        "maxAttempts": 3,
        "initialBackoff": "0.2s",
        "maxBackoff": "3s",
        "backoffMultiplier": 2,
        "retryableStatusCodes": ["UNAVAILABLE", "RESOURCE_EXHAUSTED"],
    }
    config = {"methodConfig": [{"name": [{"service": NAME}], "retryPolicy": retries}]}
    options = [("grpc.service_config", json.dumps(config))]
    async with grpc.aio.insecure_channel(hosted.address, options=options) as channel:
        yield Hosted(hosted.script, hosted.host, channel)


async def test_a_stream_is_tried_once_whatever_the_server_says_about_retries(streams: Hosted, logs: LogLines) -> None:
    """gRPC's own retries lose messages of streams; an attempt that failed must come back to the caller."""
    streams.script.on_begin = raising(StreamsFull("Wait.", retry_after_seconds=0.01))
    call = streams.stub.Caption(timeout=5)
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await call.write(CONFIG)
        await call.read()
    assert failure_of(caught.value).reason == "STREAMS_FULL"
    assert len(await logs.wait_for("answered")) == 1


async def test_a_unary_call_is_tried_again_after_the_delay_that_the_server_asks_for(
    unary: Hosted, logs: LogLines
) -> None:
    refusals = iter([QueueFull("Wait.", retry_after_seconds=0.05)])

    async def refuse_once() -> None:
        for failure in refusals:
            raise failure

    unary.script.on_clip = refuse_once
    await unary.stub.CaptionClip(CLIP, timeout=5)
    codes = [line["code"] for line in await logs.wait_for("answered", count=2)]
    assert codes == ["RESOURCE_EXHAUSTED", "OK"]


@pytest.mark.parametrize(
    "failure", [InvalidRequest("Never."), QueueFull("It will not pass.")], ids=["a mistake", "pushback -1"]
)
async def test_a_unary_call_is_not_tried_again_where_it_cannot_help(
    failure: Failure, unary: Hosted, logs: LogLines
) -> None:
    unary.script.on_clip = raising(failure)
    with pytest.raises(grpc.aio.AioRpcError):
        await unary.stub.CaptionClip(CLIP, timeout=5)
    assert len(await logs.wait_for("answered")) == 1


async def test_a_message_above_the_limit_is_refused_and_not_for_overload(unary: Hosted) -> None:
    large = pb.CaptionClipRequest(config=pb.CaptionConfig(prompt=pb.Prompt(text="x" * (5 << 20))))
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await unary.stub.CaptionClip(large, timeout=5)
    assert caught.value.code() is grpc.StatusCode.RESOURCE_EXHAUSTED
    failure = failure_of(caught.value)
    assert (failure.reason, failure.sheds, failure.retry_after_seconds) == ("UPSTREAM_BROKEN", False, None)

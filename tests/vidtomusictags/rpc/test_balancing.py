"""One channel over many replicas: all are used, sick ones are left at once, new ones are found."""

from __future__ import annotations

import asyncio
import os
import sys
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import grpc
import pytest
from free_ports import free_port
from name_server import DNSMASQ, serving_names
from scripted_server import NAME, Hosted, hosting
from tcp_proxy import proxying

from vidtomusictags.captioner.v1 import captioner_pb2 as pb
from vidtomusictags.captioner.v1 import captioner_pb2_grpc
from vidtomusictags.rpc.channels import stream_channel

CLIP = pb.CaptionClipRequest()
CONFIG = pb.CaptionRequest(config=pb.CaptionConfig())
FIRST, SECOND = "127.0.4.1", "127.0.4.2"


@asynccontextmanager
async def calling(*replicas: Hosted, **options: Any) -> AsyncIterator[Any]:
    """A stub over all of them, each of which has been reached."""
    target = "ipv4:" + ",".join(one.address for one in replicas)
    async with stream_channel(target, NAME, **options) as channel:
        stub: Any = captioner_pb2_grpc.CaptionerServiceStub(channel)
        async with asyncio.timeout(30):
            while not all(one.script.ended for one in replicas):
                await stub.CaptionClip(CLIP, timeout=5)
        yield stub


async def test_calls_go_round_all_replicas() -> None:
    async with hosting() as one, hosting() as two, calling(one, two) as stub:
        before = (one.script.ended, two.script.ended)
        for _ in range(10):
            await stub.CaptionClip(CLIP, timeout=5)
        assert (one.script.ended - before[0], two.script.ended - before[1]) == (5, 5)


async def test_a_replica_that_says_that_it_is_not_well_is_left_within_a_second_and_used_again_afterwards() -> None:
    async with hosting() as well, hosting() as sick, calling(well, sick) as stub:
        await sick.host.announce_not_ready()
        began, last_failure = time.monotonic(), 0.0
        while (now := time.monotonic() - began) < 2:
            try:
                await stub.CaptionClip(CLIP, timeout=5)
            except grpc.aio.AioRpcError:
                last_failure = now
            await asyncio.sleep(0.01)
        assert last_failure < 1
        ended = sick.script.ended
        await sick.host.announce_ready()
        async with asyncio.timeout(5):
            while sick.script.ended == ended:
                await stub.CaptionClip(CLIP, timeout=5)


async def test_a_call_where_no_replica_is_well_fails_at_once() -> None:
    async with hosting() as one, calling(one) as stub:
        await one.host.announce_not_ready()
        began = time.monotonic()
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            while True:
                await stub.CaptionClip(CLIP, timeout=20)
        assert caught.value.code() is grpc.StatusCode.UNAVAILABLE
        assert time.monotonic() - began < 5


class TestSilence:
    """Connections of which the other end does not speak any more: frozen processes, lost hosts."""

    async def test_a_silent_replica_is_left_and_its_running_call_ended(self) -> None:
        async with (
            hosting() as hosted,
            proxying(hosted.address) as line,
            stream_channel(line.address, NAME, keepalive_seconds=1) as channel,
        ):
            hosted.script.idle_seconds = 60
            call = captioner_pb2_grpc.CaptionerServiceStub(channel).Caption(timeout=60)
            await call.write(CONFIG)
            await call.read()
            began = time.monotonic()
            line.go_silent()
            with pytest.raises(grpc.aio.AioRpcError) as caught:
                await call.read()
            assert caught.value.code() is grpc.StatusCode.UNAVAILABLE
            assert time.monotonic() - began < 20

    async def test_a_caller_that_has_nothing_to_say_keeps_its_connection(self) -> None:
        """Our servers allow a ping a second; by gRPC's own limit the third would have cut the connection."""
        async with hosting() as hosted, calling(hosted, keepalive_seconds=1) as stub:
            hosted.script.idle_seconds = 60
            call = stub.Caption(timeout=60)
            await call.write(CONFIG)
            await call.read()
            reading = asyncio.ensure_future(call.read())
            assert (await asyncio.wait({reading}, timeout=6))[0] == set()
            call.cancel()
            await asyncio.gather(reading, return_exceptions=True)


class TestNewReplicas:
    @pytest.mark.skipif(DNSMASQ is None, reason="needs dnsmasq: apt-get install dnsmasq-base")
    async def test_a_new_replica_is_found_within_the_age_of_a_connection(self, tmp_path: Path) -> None:
        port = free_port([FIRST, SECOND])
        async with (
            hosting(listen=f"{FIRST}:{port}", max_connection_age_seconds=1) as old,
            serving_names(tmp_path, {"captioner.test": [FIRST]}) as names,
        ):
            caller = await asyncio.create_subprocess_exec(
                *(sys.executable, "-c", CALLER, f"dns://{names.authority}/captioner.test:{port}", NAME),
                env={**os.environ, "GRPC_DNS_RESOLVER": "ares"},  # the system's own knows no other name server
            )
            try:
                await asyncio.wait_for(old.script.begun.wait(), 60)
                async with hosting(listen=f"{SECOND}:{port}") as new:
                    await names.tell({"captioner.test": [FIRST, SECOND]})
                    await asyncio.wait_for(new.script.begun.wait(), 20)
                assert caller.returncode is None
            finally:
                caller.kill()
                await caller.wait()

    async def test_a_stream_outlives_the_age_of_its_connection(self) -> None:
        async with hosting(max_connection_age_seconds=1) as hosted, calling(hosted) as stub:
            call = stub.Caption(timeout=30)
            await call.write(CONFIG)
            await call.read()
            await asyncio.sleep(3)
            await stub.CaptionClip(CLIP, timeout=5)  # by a new connection
            await call.write(pb.CaptionRequest(end_of_input=pb.EndOfInput(frame_count=0)))
            await call.done_writing()
            assert (await call.read()).HasField("completed")


CALLER = """
import asyncio, sys
from vidtomusictags.captioner.v1 import captioner_pb2, captioner_pb2_grpc
from vidtomusictags.rpc.channels import stream_channel


async def main():
    async with stream_channel(*sys.argv[1:]) as channel:
        stub = captioner_pb2_grpc.CaptionerServiceStub(channel)
        while True:
            await stub.CaptionClip(captioner_pb2.CaptionClipRequest(), timeout=5)
            await asyncio.sleep(0.02)


asyncio.run(main())
"""

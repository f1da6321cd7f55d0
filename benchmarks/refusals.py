"""What a refusal for want of room costs its server: of ours against a bare grpc.aio server that ends each call at once.

    python benchmarks/refusals.py [--rate 100] [--seconds 5] [--rounds 5]

Both servers are processes of their own on one core, the caller on another. Calls arrive at random (Poisson), each a
stream that sends one message, as the contract's streams begin. All slots of our captioner are taken. The bare server
reads that message, too, and ends the call with a status of the same size: what it costs is the floor for a server in
Python. Rounds alternate; each ratio is of two that follow each other. Processor time a call, not latency.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import random
import statistics
import sys
import time
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Any

import grpc
from load_processes import Served, processor_seconds, serving
from load_scenarios import GENERATOR_CORE, SERVER_CORE

from vidtomusictags.captioner.v1 import captioner_pb2 as pb

METHOD = "/vidtomusictags.captioner.v1.CaptionerService/Caption"
_CONNECTIONS = 4
_TRAILING = (("grpc-status-details-bin", bytes(180)), ("grpc-retry-pushback-ms", "500"))
"""As long as that of our refusals."""


class _Ending(grpc.GenericRpcHandler):
    """Every call is ended after its first message."""

    def service(self, handler_call_details: grpc.HandlerCallDetails) -> grpc.RpcMethodHandler[Any, Any]:
        async def ended(requests: Any, context: Any) -> None:
            await context.read()
            await context.abort(
                grpc.StatusCode.RESOURCE_EXHAUSTED,
                "All 1 slots are taken; try again after the delay.",
                trailing_metadata=_TRAILING,
            )

        return grpc.stream_stream_rpc_method_handler(ended)


async def serve_bare() -> None:
    """Prints the port and serves until stdin ends."""
    server = grpc.aio.server(handlers=(_Ending(),))
    print(server.add_insecure_port("127.0.0.1:0"), flush=True)
    await server.start()
    await asyncio.to_thread(sys.stdin.read)


@asynccontextmanager
async def bare() -> AsyncIterator[Served]:
    """The bare server in a process of its own, on the servers' core."""
    process = await asyncio.create_subprocess_exec(
        sys.executable, __file__, "--serve-bare", stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE
    )
    try:
        os.sched_setaffinity(process.pid, [SERVER_CORE])
        assert process.stdout is not None
        port = int(await process.stdout.readline())
        yield Served("bare", f"127.0.0.1:{port}", process.pid)
    finally:
        process.kill()
        await process.wait()


@asynccontextmanager
async def full() -> AsyncIterator[Served]:
    """A captioner whose one slot is taken by a stream that sends nothing but its config."""
    settings = {"engine": "instant", "max_calls": 1, "idle_seconds": 600}
    async with (
        serving("captioner", settings, cores=[SERVER_CORE]) as served,
        grpc.aio.insecure_channel(served.address) as channel,
    ):
        holding = channel.stream_stream(METHOD)()
        await holding.write(pb.CaptionRequest(config=pb.CaptionConfig(encoding=1)).SerializeToString())
        await holding.read()
        try:
            yield served
        finally:
            holding.cancel()


async def refused(served: Served, *, rate: float, seconds: float) -> float:
    """Milliseconds of the server's processor for each call that it refused."""
    chance = random.Random(1)
    async with AsyncExitStack() as stack:
        calls = []
        for _ in range(_CONNECTIONS):
            options = [("grpc.use_local_subchannel_pool", 1)]
            channel = await stack.enter_async_context(grpc.aio.insecure_channel(served.address, options=options))
            calls.append(channel.stream_stream(METHOD))

        async def one() -> None:
            call = chance.choice(calls)(timeout=10)
            try:
                await call.write(b"")
                await call.read()
            except grpc.aio.AioRpcError:
                pass
            if await call.code() is not grpc.StatusCode.RESOURCE_EXHAUSTED:
                raise SystemExit(f"{served.name} answered {await call.code()}: {await call.details()}")

        for _ in range(20):
            await one()
        before, due, running = processor_seconds(served.pid), time.monotonic(), []
        ends = due + seconds
        while (due := due + chance.expovariate(rate)) < ends:
            await asyncio.sleep(max(0.0, due - time.monotonic()))
            running.append(asyncio.create_task(one()))
        await asyncio.gather(*running)
        return 1000 * (processor_seconds(served.pid) - before) / len(running)


async def _run(arguments: argparse.Namespace) -> None:
    os.sched_setaffinity(0, [GENERATOR_CORE])
    async with bare() as floor, full() as ours:
        ratios = []
        for number in range(arguments.rounds):
            cost = {
                served.name: await refused(served, rate=arguments.rate, seconds=arguments.seconds)
                for served in ((floor, ours) if number % 2 else (ours, floor))
            }
            ratios.append(cost[ours.name] / cost[floor.name])
            print(f"{cost[ours.name]:.2f} ms against {cost[floor.name]:.2f} ms: {ratios[-1]:.2f}", flush=True)
        print(f"a refusal of ours costs {statistics.median(ratios):.2f} of a bare one (median of {len(ratios)} rounds)")


def main() -> None:
    """Prints a ratio a round and their median."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rate", type=float, default=100.0, help="calls a second")
    parser.add_argument("--seconds", type=float, default=5.0, help="of each round of each server")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--serve-bare", action="store_true", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    asyncio.run(serve_bare() if arguments.serve_bare else _run(arguments))


if __name__ == "__main__":
    main()

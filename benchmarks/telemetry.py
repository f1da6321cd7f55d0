"""What metrics and traces cost: calls a second and processor time a call, each against the same server without.

    python benchmarks/telemetry.py [--rounds 11] [--seconds 1.0] [--concurrency 8]

Four servers, processes of their own, answer CaptionClip with an engine that looks at nothing: `bare` without the code
that tells of a call (no trace context, no meter, no spans; the log line stays), `off` as it ships with nothing turned
on, `metrics` with Prometheus's, `traces` with both metrics and spans that go to a collector in yet another process.
Rounds alternate over the four, so that what else the machine does meets all alike; each ratio is of two runs of the
same round. Before that, the layer that tells of a call is run alone, in this process, around nothing: processor time of
the best of many rounds, which a busy machine hardly changes.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import statistics
import sys
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack, asynccontextmanager, contextmanager
from pathlib import Path
from typing import Any

import grpc
import structlog

from captioner_service.app import running
from captioner_service.settings import CaptionerSettings
from vidtomusictags.captioner.v1 import captioner_pb2 as pb
from vidtomusictags.captioner.v1.captioner_pb2_grpc import CaptionerServiceStub
from vidtomusictags.media.v1 import media_pb2
from vidtomusictags.rpc import layers, server
from vidtomusictags.rpc.call_metrics import CallMeter
from vidtomusictags.rpc.logs import write_logs
from vidtomusictags.rpc.observing import observing
from vidtomusictags.rpc.server import serve_until_signal
from vidtomusictags.rpc.settings import HostSettings
from vidtomusictags.rpc.status import pushback, to_status

sys.path.insert(0, str(Path(__file__).parents[1] / "tests" / "support"))

from span_collector import collecting  # what the tests collect by

SERVICE = pb.DESCRIPTOR.services_by_name["CaptionerService"]
METHOD = f"/{SERVICE.full_name}/CaptionClip"
KINDS = ("bare", "off", "metrics", "traces")
CLIP = pb.CaptionClipRequest(
    config=pb.CaptionConfig(
        encoding=media_pb2.FRAME_ENCODING_RGB24, frame_size=media_pb2.FrameSize(width=2, height=2), request_id="b"
    ),
    frames=[media_pb2.Frame(data=bytes(12))],
)


@contextmanager
def telling_of_nothing() -> Iterator[None]:
    """The layer around calls as it was before there was anything to tell but the log line and the status."""

    def answering(domain: str, calls: Any, tracer: Any) -> layers.Layer:
        @asynccontextmanager
        async def layer(method: str, context: Any) -> AsyncIterator[None]:
            service = structlog.contextvars.get_contextvars().get("service")
            structlog.contextvars.clear_contextvars()
            if service:
                structlog.contextvars.bind_contextvars(service=service)
            started, code, reason = time.monotonic(), "CANCELLED", None
            try:
                yield
                code = "OK"
            except Exception as error:
                failure = layers.as_failure(error)
                code, reason = failure.code, failure.reason
                status = to_status(failure, domain=domain)
                trailing = ((layers.DETAILS, status.SerializeToString()), *pushback(failure))
                await context.abort(grpc.StatusCode[failure.code], status.message, trailing_metadata=trailing)
            finally:
                facts = {"reason": reason} if reason else {}
                seconds = round(time.monotonic() - started, 4)
                layers.log.info("answered", method=method, code=code, seconds=seconds, **facts)

        return layer

    kept, server.answering = server.answering, answering  # type: ignore[attr-defined]
    try:
        yield
    finally:
        server.answering = kept  # type: ignore[attr-defined]


@asynccontextmanager
async def announced(kind: str, collector: str) -> AsyncIterator[None]:
    """The server of that kind, its port printed."""
    async with AsyncExitStack() as stack:
        if kind == "collector":
            print((await stack.enter_async_context(collecting())).address, flush=True)
        else:
            if kind == "bare":
                stack.enter_context(telling_of_nothing())
            told: dict[str, Any] = {}
            if kind in ("metrics", "traces"):
                told["metrics_listen"] = "127.0.0.1:0"
            if kind == "traces":
                told["traces_endpoint"] = collector
            settings = CaptionerSettings(listen="127.0.0.1:0", engine="instant", drain_announce_seconds=0, **told)
            print(await stack.enter_async_context(running(settings)), flush=True)
        yield


def serve(kind: str, collector: str) -> None:
    """One server, until a signal."""
    with Path(os.devnull).open("w") as nowhere:
        write_logs(service="benchmark", stream=nowhere)
        asyncio.run(serve_until_signal(announced(kind, collector)))  # type: ignore[arg-type]


@asynccontextmanager
async def process(kind: str, collector: str = "") -> AsyncIterator[tuple[str, int]]:
    """A server process: what it printed, and its id."""
    started = await asyncio.create_subprocess_exec(
        sys.executable, __file__, "--serve", kind, "--collector", collector, stdout=asyncio.subprocess.PIPE
    )
    assert started.stdout is not None
    try:
        yield (await started.stdout.readline()).decode().strip(), started.pid
    finally:
        started.terminate()
        await started.wait()


async def burst(stub: Any, seconds: float, concurrency: int) -> int:
    """So many callers at once, for so long: calls that were answered."""
    ends_at, count = time.perf_counter() + seconds, 0

    async def caller() -> None:
        nonlocal count
        while time.perf_counter() < ends_at:
            await stub.CaptionClip(CLIP)
            count += 1

    await asyncio.gather(*(caller() for _ in range(concurrency)))
    return count


def processor_seconds(pid: int) -> float:
    """Time that a process has had on a processor."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


class _Context:
    """As much of a ServicerContext as the layer asks of one that succeeds."""

    def invocation_metadata(self) -> tuple[tuple[str, str], ...]:
        return (("user-agent", "grpc-python-asyncio/1.85.1"), ("traceparent", f"00-{'a' * 32}-{'b' * 16}-01"))


async def alone(collector: str, *, rounds: int = 200, calls: int = 100) -> dict[str, float]:
    """Seconds of processor time a call, of the layer around nothing."""
    context: Any = _Context()
    best = dict.fromkeys(KINDS, float("inf"))
    async with AsyncExitStack() as stack:
        made: dict[str, layers.Layer] = {}
        for kind in KINDS:
            settings = HostSettings(
                metrics_listen="127.0.0.1:0" if kind in ("metrics", "traces") else "",
                traces_endpoint=collector if kind == "traces" else "",
            )
            telemetry = await stack.enter_async_context(observing(settings, kind))
            meter = CallMeter(telemetry.meter, SERVICE, {})
            if kind == "bare":
                with telling_of_nothing():
                    made[kind] = server.answering("bench", meter, telemetry.tracer)
            else:
                made[kind] = layers.answering("bench", meter, telemetry.tracer)
        for _ in range(rounds):
            for kind, layer in made.items():
                before = time.thread_time()
                for _ in range(calls):
                    async with layer(METHOD, context):
                        pass
                best[kind] = min(best[kind], (time.thread_time() - before) / calls)
    return best


async def measure(rounds: int, seconds: float, concurrency: int) -> None:
    """Prints calls a second, processor time, and the ratios."""
    rates: dict[str, list[float]] = {kind: [] for kind in KINDS}
    costs: dict[str, list[float]] = {kind: [] for kind in KINDS}
    async with AsyncExitStack() as stack:
        collector, _ = await stack.enter_async_context(process("collector"))
        own = await alone(collector)
        print("the layer that tells of a call, around nothing:")
        for kind, took in own.items():
            print(f"  {kind:8}{1e6 * took:6.1f} us of processor a call")
        stubs: dict[str, Any] = {}
        pids: dict[str, int] = {}
        for kind in KINDS:
            port, pids[kind] = await stack.enter_async_context(process(kind, collector))
            channel = await stack.enter_async_context(grpc.aio.insecure_channel(f"127.0.0.1:{port}"))
            stubs[kind] = CaptionerServiceStub(channel)
        for number in range(rounds + 1):
            for kind in KINDS if number % 2 else KINDS[::-1]:
                before = processor_seconds(pids[kind])
                calls = await burst(stubs[kind], seconds, concurrency)
                if number:  # the first warms up
                    rates[kind].append(calls / seconds)
                    costs[kind].append((processor_seconds(pids[kind]) - before) / calls)
    print(f"CaptionClip, {concurrency} at once, {rounds} rounds of {seconds:g} s; medians of ratios within a round")
    for kind in KINDS:
        speed = statistics.median(ours / bare for ours, bare in zip(rates[kind], rates["bare"], strict=True))
        cost = statistics.median(ours / bare for ours, bare in zip(costs[kind], costs["bare"], strict=True))
        print(
            f"  {kind:8}{statistics.median(rates[kind]):7.0f} calls/s, {speed:5.3f} of bare;"
            f"{1e6 * statistics.median(costs[kind]):6.0f} us of the server's processor a call, {cost:5.3f} of bare"
        )


def main() -> None:
    """Measures, or is one of the servers."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=11)
    parser.add_argument("--seconds", type=float, default=1.0)
    parser.add_argument("--concurrency", type=int, default=8)
    parser.add_argument("--serve", choices=(*KINDS, "collector"), help=argparse.SUPPRESS)
    parser.add_argument("--collector", default="", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.serve:
        serve(arguments.serve, arguments.collector)
    else:
        with Path(os.devnull).open("w") as nowhere:
            write_logs(service="benchmark", stream=nowhere)
            asyncio.run(measure(arguments.rounds, arguments.seconds, arguments.concurrency))


if __name__ == "__main__":
    main()

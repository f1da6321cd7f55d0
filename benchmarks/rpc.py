"""What the captioner adds to gRPC: frames a second and latency against a bare grpc.aio stream of the same bytes.

    python benchmarks/rpc.py [--side 336] [--messages 64] [--window 32] [--rounds 9]

Both servers are processes of their own, with the allocator settings that the images ship. The captioner runs the
`instant` engine: it decodes frames, cuts windows, queues and answers each of them, and looks at none. The bare server
parses the same messages and answers once. Rounds alternate; each ratio is of two runs that follow each other.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import statistics
import sys
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import grpc
import numpy as np

from vidtomusictags.captioner.v1 import captioner_pb2 as pb
from vidtomusictags.captioner.v1.captioner_pb2_grpc import CaptionerServiceStub
from vidtomusictags.media.v1 import media_pb2
from vidtomusictags.rpc.durations import to_duration

ALLOCATOR = {"MALLOC_TRIM_THRESHOLD_": "67108864", "MALLOC_MMAP_THRESHOLD_": "33554432"}
"""Both together: without them glibc gives every large message back to the kernel."""
SERVERS = Path(__file__).parent / "rpc_servers.py"
OPTIONS = (("grpc.max_receive_message_length", 4 << 20), ("grpc.max_send_message_length", 4 << 20))
BATCH = 8
"""Frames to a message: at 336 pixels as many as fit."""


@asynccontextmanager
async def server(kind: str) -> AsyncIterator[tuple[CaptionerServiceStub, int]]:
    """A server process: a stub for it and its process id."""
    process = await asyncio.create_subprocess_exec(
        sys.executable, str(SERVERS), kind, stdout=asyncio.subprocess.PIPE, env={**os.environ, **ALLOCATOR}
    )
    assert process.stdout is not None
    try:
        port = int(await process.stdout.readline())
        async with grpc.aio.insecure_channel(f"127.0.0.1:{port}", options=OPTIONS) as channel:
            yield CaptionerServiceStub(channel), process.pid
    finally:
        process.terminate()
        await process.wait()


def make_messages(side: int, count: int, window: int = BATCH) -> tuple[pb.CaptionRequest, list[pb.CaptionRequest]]:
    """The config, and messages of raw frames."""
    config = pb.CaptionConfig(
        encoding=media_pb2.FRAME_ENCODING_RGB24,
        frame_size=media_pb2.FrameSize(width=side, height=side),
        window=window,
    )
    data = np.random.default_rng(0).integers(0, 255, side * side * 3, dtype=np.uint8).tobytes()
    batches = []
    for start in range(0, count * BATCH, BATCH):
        frames = [media_pb2.Frame(index=n, pts=to_duration(n / 25), data=data) for n in range(start, start + BATCH)]
        batches.append(pb.CaptionRequest(frames=pb.FrameBatch(frames=frames)))
    return pb.CaptionRequest(config=config), batches


async def stream(stub: CaptionerServiceStub, config: pb.CaptionRequest, batches: list[pb.CaptionRequest]) -> float:
    """Seconds from the first frame to the last answer of one stream."""
    accepted = asyncio.Event()
    began = 0.0

    async def requests() -> AsyncIterator[pb.CaptionRequest]:
        nonlocal began
        yield config
        await accepted.wait()
        began = time.perf_counter()
        for batch in batches:
            yield batch
        yield pb.CaptionRequest(end_of_input=pb.EndOfInput(frame_count=len(batches) * BATCH))

    completed = False
    async for reply in stub.Caption(requests()):
        accepted.set()
        completed = reply.HasField("completed")
    assert completed
    return time.perf_counter() - began


def processor_seconds(pid: int) -> float:
    """Time that a process has had on a processor."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


async def measure(side: int, count: int, rounds: int, window: int) -> None:
    """Prints both comparisons."""
    config, batches = make_messages(side, count, window)
    frames = count * BATCH
    async with server("bare") as (bare, bare_pid), server("captioner") as (captioner, captioner_pid):
        pids = {"bare": bare_pid, "captioner": captioner_pid}
        busy = dict.fromkeys(pids, 0.0)
        rates: dict[str, list[float]] = {"bare": [], "captioner": []}
        delays: dict[str, list[float]] = {"bare": [], "captioner": []}
        for number in range(rounds + 1):
            for name, stub in (("bare", bare), ("captioner", captioner)):
                before = processor_seconds(pids[name])
                seconds = await stream(stub, config, batches)
                if number:  # the first warms up
                    rates[name].append(frames / seconds)
                    busy[name] += processor_seconds(pids[name]) - before
        for _ in range(20 * rounds):
            for name, stub in (("bare", bare), ("captioner", captioner)):
                delays[name].append(1000 * await stream(stub, config, batches[:1]))
    ratios = [ours / theirs for ours, theirs in zip(rates["captioner"], rates["bare"], strict=True)]
    megabytes = frames * side * side * 3 / 1e6
    print(
        f"{frames} raw frames of {side} x {side} a run ({megabytes:.0f} MB), {BATCH} to a message, "
        f"a summary every {window}, {rounds} rounds"
    )
    for name, measured in rates.items():
        rate = statistics.median(measured)
        print(
            f"  {name:10}{rate:8.0f} frames/s {rate * side * side * 3 / 1e6:8.0f} MB/s"
            f"{1e6 * busy[name] / (frames * rounds):8.0f} us of the server's processor a frame"
        )
    print(f"  ratio     {statistics.median(ratios):8.2f} (of each round: {', '.join(f'{r:.2f}' for r in ratios)})")
    for percent in (50, 99):
        ours, theirs = (float(np.percentile(delays[name], percent)) for name in ("captioner", "bare"))
        print(
            f"  p{percent} of one message's answer: {ours:.2f} ms, bare {theirs:.2f} ms, added {ours - theirs:.2f} ms"
        )


def main() -> None:
    """Starts itself again with the allocator settings, which glibc reads once."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--side", type=int, default=336)
    parser.add_argument("--messages", type=int, default=64)
    parser.add_argument("--rounds", type=int, default=9)
    parser.add_argument("--window", type=int, default=32, help="frames for each summary, a message back each")
    arguments = parser.parse_args()
    if any(os.environ.get(name) != value for name, value in ALLOCATOR.items()):
        os.execve(sys.executable, [sys.executable, *sys.argv], {**os.environ, **ALLOCATOR})
    asyncio.run(measure(arguments.side, arguments.messages, arguments.rounds, arguments.window))


if __name__ == "__main__":
    main()

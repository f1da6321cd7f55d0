"""What reading a video by ranges saves, and what sampling an upload while it arrives saves; measured side by side.

    python benchmarks/remote_sampling.py --rounds 5 --out remote_sampling.json

A film of over 200 MB is served on loopback by a process of its own, once at once and once with a delay before each
answer, as a distant server has it. Three ways to 8 frames alternate: by ranges, by fetching the whole file first, and
from the local file. Then a film with its index in front is written into the spool at a steady rate, as an upload
arrives, and the time from its last byte to its frames is taken with and without sampling it early. Medians, and ratios
of medians.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import multiprocessing
import os
import re
import statistics
import tempfile
import time
from collections.abc import Awaitable, Callable
from contextlib import suppress
from fractions import Fraction
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

import av
import numpy as np

from gateway.early import sampling_early
from gateway.sources.fetched import FetchedVideo
from gateway.sources.rules import SourceRules
from gateway.sources.sources import running_sources
from gateway.spool import open_spool
from gateway.video.plan import SamplingPlan
from gateway.video.sandbox import Sandbox, SandboxLimits, running_sandbox

PLAN = SamplingPlan(frames=8, short_side_pixels=336)
SIZE, RATE, GOP, ENCODED_FRAMES = (1280, 720), 30, 48, 240
FILM_BYTES, UPLOAD_BYTES = 210_000_000, 60_000_000
UPLOAD_BYTES_A_SECOND = 10_000_000
DELAY_SECONDS = 0.03
GIB = 1 << 30


def write_film(path: Path, size_bytes: int) -> Path:
    """720p H.264 at about 5 Mbit/s, its GOPs repeated until it is large enough; the index in front."""
    source = path.with_suffix(".gops.mp4")
    random = np.random.default_rng(3)
    noise = random.integers(0, 20, (SIZE[1] * 2, SIZE[0] * 2, 3), np.uint8)
    with av.open(str(source), "w") as container:
        stream: Any = container.add_stream(
            "libx264", rate=RATE, options={"preset": "veryfast", "sc_threshold": "0", "b": "5M", "g": str(GOP)}
        )
        stream.width, stream.height, stream.pix_fmt = *SIZE, "yuv420p"
        stream.codec_context.gop_size = GOP
        for number in range(ENCODED_FRAMES):
            shift = number * 4 % SIZE[0]
            picture = noise[number % SIZE[1] : number % SIZE[1] + SIZE[1], shift : shift + SIZE[0]] + number % 120
            container.mux(stream.encode(av.VideoFrame.from_ndarray(np.ascontiguousarray(picture), format="rgb24")))
        container.mux(stream.encode(None))
    repeats = -(-size_bytes // source.stat().st_size)
    with av.open(str(path), "w", options={"movflags": "faststart"}) as output:
        copy: Any = None
        for repeat in range(repeats):
            with av.open(str(source)) as original:
                video = original.streams.video[0]
                copy = copy or output.add_stream_from_template(video)
                for packet in original.demux(video):
                    if packet.dts is None:
                        continue
                    step = round(Fraction(ENCODED_FRAMES, RATE) / packet.time_base) * repeat
                    packet.pts, packet.dts, packet.stream = packet.pts + step, packet.dts + step, copy
                    output.mux(packet)
    source.unlink()
    return path


def serve(path: Path, delay_seconds: float, told: Connection) -> None:
    """A server with ranges, in a process of its own. Tells its port, and at the end its number of requests."""
    requests = 0

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal requests
        with suppress(ConnectionError, asyncio.IncompleteReadError), path.open("rb") as file:
            size = os.fstat(file.fileno()).st_size
            while head := (await reader.readuntil(b"\r\n\r\n")).decode():
                requests += 1
                await asyncio.sleep(delay_seconds)
                found = re.search(r"range: bytes=(\d+)-(\d+)", head, re.IGNORECASE)
                assert found is not None
                start, last = int(found[1]), min(int(found[2]), size - 1)
                writer.write(
                    f'HTTP/1.1 206 OK\r\nETag: "film"\r\nContent-Range: bytes {start}-{last}/{size}\r\n'
                    f"Content-Length: {last + 1 - start}\r\n\r\n".encode()
                )
                file.seek(start)
                for position in range(start, last + 1, 1 << 16):
                    writer.write(file.read(min(1 << 16, last + 1 - position)))
                    await writer.drain()
        writer.close()

    async def run() -> None:
        server = await asyncio.start_server(answer, "127.0.0.1", 0)
        told.send(server.sockets[0].getsockname()[1])
        while await asyncio.to_thread(told.recv):
            told.send(requests)

    asyncio.run(run())


async def timed(work: Callable[[], Awaitable[None]]) -> float:
    """How long it takes, in seconds."""
    began = time.perf_counter()
    await work()
    return time.perf_counter() - began


async def compare_remote(film: Path, folder: Path, sandbox: Sandbox, rounds: int, delay: float) -> dict[str, Any]:
    """8 frames by ranges, by the whole file, and from the local file."""
    ours, theirs = multiprocessing.get_context("spawn").Pipe()
    process = multiprocessing.get_context("spawn").Process(target=serve, args=(film, delay, theirs), daemon=True)
    process.start()
    host = f"127.0.0.1:{await asyncio.to_thread(ours.recv)}"
    rules = SourceRules(insecure_hosts=(host,), private_hosts=(host,))
    seconds: dict[str, list[float]] = {"ranges": [], "whole": [], "local": []}
    clips, fetched, requests = [], 0, 0
    size = os.path.getsize(film)  # noqa: PTH202, ASYNC240  # before anything is timed
    with open_spool(folder, max_upload_bytes=GIB, max_total_bytes=GIB) as spool:
        async with running_sources(rules, spool) as sources:

            async def sample_remote(whole: bool) -> None:
                nonlocal fetched
                async with sources.opened(await sources.place(f"http://{host}/film.mp4")) as video:
                    assert isinstance(video, FetchedVideo)
                    if whole:
                        async for _ in video.fetch_all():
                            pass
                    clips.append(await sandbox.sample(video.path if whole else video, PLAN))
                    fetched = video.fetched_bytes

            async def sample_local() -> None:
                clips.append(await sandbox.sample(film, PLAN))

            for _ in range(rounds):
                seconds["whole"].append(await timed(lambda: sample_remote(True)))
                ours.send(True)
                before = await asyncio.to_thread(ours.recv)
                seconds["ranges"].append(await timed(lambda: sample_remote(False)))
                ours.send(True)
                requests = await asyncio.to_thread(ours.recv) - before
                seconds["local"].append(await timed(sample_local))
    process.kill()
    process.join()
    assert all(clip.frames == clips[0].frames for clip in clips)
    medians = {name: statistics.median(times) for name, times in seconds.items()}
    return {
        "delay_seconds": delay,
        "film_bytes": size,
        "fetched_bytes": fetched,
        "fetched_share": fetched / size,
        "requests": requests,
        "median_seconds": medians,
        "whole_over_ranges": medians["whole"] / medians["ranges"],
        "ranges_over_local": medians["ranges"] / medians["local"],
    }


async def compare_uploads(film: Path, folder: Path, sandbox: Sandbox, rounds: int) -> dict[str, Any]:
    """Seconds from the last byte of an upload to its frames, sampled early and afterwards."""
    data, piece = await asyncio.to_thread(film.read_bytes), 1 << 18
    seconds: dict[str, list[float]] = {"early": [], "after": []}
    clips = []
    with open_spool(folder, max_upload_bytes=GIB, max_total_bytes=GIB) as spool:
        for _ in range(rounds):
            for way, times in seconds.items():
                size = len(data) if way == "early" else None
                async with (
                    spool.receiving(len(data)) as upload,
                    sampling_early(sandbox, upload, PLAN, size_bytes=size) as early,
                ):
                    began = time.perf_counter()
                    for start in range(0, len(data), piece):
                        due = began + start / UPLOAD_BYTES_A_SECOND
                        await asyncio.sleep(max(0.0, due - time.perf_counter()))
                        await upload.write(data[start : start + piece])
                    ended = time.perf_counter()
                    clips.append(await early.clip() or await sandbox.sample(upload.path, PLAN))
                    times.append(time.perf_counter() - ended)
    assert all(clip == clips[0] for clip in clips)
    medians = {name: statistics.median(times) for name, times in seconds.items()}
    return {
        "upload_bytes": len(data),
        "upload_seconds": len(data) / UPLOAD_BYTES_A_SECOND,
        "median_seconds_after_the_last_byte": medians,
    }


async def measure(folder: Path, rounds: int) -> dict[str, Any]:
    """Everything."""
    film, upload = write_film(folder / "film.mp4", FILM_BYTES), write_film(folder / "upload.mp4", UPLOAD_BYTES)
    async with running_sandbox(SandboxLimits(workers=1)) as sandbox:
        await sandbox.sample(upload, PLAN)
        remote = [await compare_remote(film, folder, sandbox, rounds, delay) for delay in (0.0, DELAY_SECONDS)]
        return {"remote": remote, "uploads": await compare_uploads(upload, folder, sandbox, rounds)}


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--out", type=Path)
    wanted = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        found = asyncio.run(measure(Path(folder), wanted.rounds))
    for remote in found["remote"]:
        print(
            f"{remote['film_bytes'] / 1e6:.0f} MB, {remote['delay_seconds'] * 1000:.0f} ms before each answer: "
            f"{100 * remote['fetched_share']:.1f} % fetched in {remote['requests']} requests; "
            f"whole file / ranges {remote['whole_over_ranges']:.1f}x, "
            f"ranges / local file {remote['ranges_over_local']:.1f}x"
        )
    uploads = found["uploads"]
    after = uploads["median_seconds_after_the_last_byte"]
    print(
        f"upload of {uploads['upload_bytes'] / 1e6:.0f} MB in {uploads['upload_seconds']:.1f} s: frames "
        f"{after['early'] * 1000:.0f} ms after the last byte early, {after['after'] * 1000:.0f} ms else"
    )
    if wanted.out:
        wanted.out.write_text(json.dumps(found, indent=2) + "\n")


if __name__ == "__main__":
    main()

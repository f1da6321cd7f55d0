"""Many large uploads at once: what the gateway's memory and spool do, and how soon the excess is turned away.

    python benchmarks/uploads.py                          # 100 uploads of 1 GB, announced; the default spool
    python benchmarks/uploads.py --unannounced            # nobody says how much comes: all begin, the spool fills up
    python benchmarks/uploads.py --uploads 20 --megabytes 50 --spool-megabytes 200
    python benchmarks/uploads.py --soak 3000              # small calls, a third of them left in the middle

An upload is a real clip with an empty `free` box behind it, made while it is sent: nothing of its size is held here.
"""

from __future__ import annotations

import argparse
import asyncio
import random
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import grpc
from google.rpc import error_details_pb2
from grpc_status import rpc_status
from load_processes import family, open_files, resident_bytes, serving
from load_scenarios import small_clip

from vidtomusictags.gateway.v1 import gateway_pb2 as pb

CHUNK_BYTES = 256 * 1024
MIB = 1 << 20
UPLOAD = "/vidtomusictags.gateway.v1.TaggingService/TagUpload"


@dataclass
class Watch:
    """The most that was seen of each, in bytes but for the files."""

    gateway: int = 0
    workers: int = 0
    spool: int = 0
    files: int = 0
    seen: list[tuple[float, int, int]] = field(default_factory=list)

    async def look(self, pid: int, spool: Path) -> None:
        """Twenty times a second until it is cancelled."""
        while True:
            gateway, workers = resident_bytes(pid), sum(map(resident_bytes, family(pid)[1:]))
            files = open_files(pid)
            self.gateway, self.workers = max(self.gateway, gateway), max(self.workers, workers)
            self.spool, self.files = max(self.spool, spooled_bytes(spool)), max(self.files, files)
            self.seen.append((time.monotonic(), gateway, files))
            await asyncio.sleep(0.05)


def spooled_bytes(spool: Path) -> int:
    """Bytes of all files in the spool, as far as they have not gone meanwhile."""
    total = 0
    for path in spool.rglob("*"):
        try:
            total += path.stat().st_size if path.is_file() else 0
        except OSError:
            continue
    return total


def messages(head: bytes, size: int) -> Iterator[bytes]:
    """The requests of an upload of `size` bytes after its config, serialised: a clip, an empty box, the end."""
    head += (size - len(head)).to_bytes(4, "big") + b"free"
    for start in range(0, len(head), CHUNK_BYTES):
        yield _chunk(head[start : start + CHUNK_BYTES])
    rest, empty = size - len(head), _chunk(bytes(CHUNK_BYTES))
    for _ in range(rest // CHUNK_BYTES):
        yield empty
    if rest % CHUNK_BYTES:
        yield _chunk(bytes(rest % CHUNK_BYTES))
    yield pb.TagUploadRequest(end_of_input=pb.EndOfUpload(size_bytes=size)).SerializeToString()


def _chunk(data: bytes) -> bytes:
    return pb.TagUploadRequest(chunk=pb.UploadChunk(data=data)).SerializeToString()


@dataclass
class Ending:
    """How an upload ended. seconds: from its beginning. retry: whether it was told when to come back."""

    what: str
    seconds: float
    sent: int
    retry: bool = False


async def upload(method: Any, head: bytes, size: int, *, announced: bool) -> Ending:
    """One upload, read to its end."""
    began, sent, ended = time.monotonic(), 0, ""
    config = pb.UploadConfig(size_bytes=size if announced else None)
    call = method(timeout=600)

    async def hear() -> None:
        nonlocal ended
        while (reply := await call.read()) is not grpc.aio.EOF:
            event = pb.TagUploadResponse.FromString(reply).event
            if event.HasField("error"):
                ended = _reason(event.error)[0]
            elif event.HasField("result"):
                ended = "tagged"

    try:
        await call.write(pb.TagUploadRequest(config=config).SerializeToString())
        await call.read()  # accepted, or the reason why not
        hearing = asyncio.create_task(hear())
        for message in messages(head, size):
            if ended:
                break
            await call.write(message)
            sent += len(message)
        await call.done_writing()
        await hearing
    except grpc.aio.AioRpcError as error:
        status = rpc_status.from_call(error)
        reason, retry = _reason(status) if status else (error.code().name, False)
        return Ending(ended or reason, time.monotonic() - began, sent, retry)
    finally:
        call.cancel()
    return Ending(ended, time.monotonic() - began, sent)


def _reason(status: Any) -> tuple[str, bool]:
    info, retry = error_details_pb2.ErrorInfo(), error_details_pb2.RetryInfo()
    told = [detail.Unpack(info) or detail.Unpack(retry) for detail in status.details]
    return info.reason, len(told) > 1 and retry.HasField("retry_delay")


async def many(arguments: argparse.Namespace, method: Any, head: bytes) -> None:
    """All uploads at once, and a table of how they ended."""
    size = int(arguments.megabytes * 1e6)
    endings = await asyncio.gather(
        *(upload(method, head, size, announced=not arguments.unannounced) for _ in range(arguments.uploads))
    )
    how = "unannounced" if arguments.unannounced else "announced"
    print(f"{arguments.uploads} {how} uploads of {arguments.megabytes:g} MB:")
    for what, count in Counter(one.what for one in endings).most_common():
        group = [one for one in endings if one.what == what]
        print(
            f"  {what:16}{count:4}  after {min(one.seconds for one in group):.2f} to "
            f"{max(one.seconds for one in group):.2f} s; {sum(one.sent for one in group) / 1e6:.0f} MB sent in all; "
            f"told when to come back: {sum(one.retry for one in group)}"
        )


async def soak(count: int, method: Any, head: bytes) -> None:
    """Small uploads, sixteen at a time, a third of them cancelled at a random moment."""
    chance, endings, turns = random.Random(1), Counter[str](), asyncio.Semaphore(16)

    async def one() -> None:
        async with turns:
            call = asyncio.create_task(upload(method, head, len(head) + 20_000, announced=chance.random() < 0.5))
            if chance.random() < 1 / 3:
                await asyncio.wait({call}, timeout=chance.uniform(0.0, 0.3))
                call.cancel()
            await asyncio.wait({call})
            endings["left" if call.cancelled() else call.result().what] += 1

    await asyncio.gather(*(one() for _ in range(count)))
    print(f"{count} small uploads: {dict(endings)}")


async def run(arguments: argparse.Namespace) -> None:
    """Prints what was seen."""
    async with AsyncExitStack() as stack:
        spool = Path(stack.enter_context(TemporaryDirectory(dir=arguments.spool_directory)))
        clip = await asyncio.to_thread(small_clip, spool / "clip.mp4")
        head = clip.read_bytes()
        clip.unlink()
        captioner = await stack.enter_async_context(serving("captioner", {"engine": "instant"}))
        classifier = await stack.enter_async_context(serving("classifier", {"engine": "instant"}))
        settings: dict[str, object] = {"captioner": captioner.address, "classifier": classifier.address}
        settings |= {"spool_directory": spool, "max_calls": max(64, arguments.max_calls)}
        if arguments.spool_megabytes:
            settings["max_spool_bytes"] = int(arguments.spool_megabytes * 1e6)
        gateway = await stack.enter_async_context(serving("gateway", settings))
        channel = await stack.enter_async_context(grpc.aio.insecure_channel(gateway.address))
        method, watch = channel.stream_stream(UPLOAD), Watch()
        await upload(method, head, len(head) + 1000, announced=True)  # warms up
        before = resident_bytes(gateway.pid), open_files(gateway.pid)
        watching = asyncio.create_task(watch.look(gateway.pid, spool))
        if arguments.soak:
            await soak(arguments.soak, method, head)
        else:
            await many(arguments, method, head)
        await asyncio.sleep(1.0)
        watching.cancel()
        after = resident_bytes(gateway.pid), open_files(gateway.pid)
        print(
            f"gateway: RSS {before[0] / MIB:.0f} MiB before, {watch.gateway / MIB:.0f} at most, {after[0] / MIB:.0f} "
            f"after; its decoding workers {watch.workers / MIB:.0f} MiB at most, all together; files open "
            f"{before[1]}, {watch.files}, {after[1]}"
        )
        middle = len(watch.seen) // 2
        print(
            f"  medians of the first and the second half: {_median(watch.seen[:middle], 1) / MIB:.1f} and "
            f"{_median(watch.seen[middle:], 1) / MIB:.1f} MiB, {_median(watch.seen[:middle], 2):.0f} and "
            f"{_median(watch.seen[middle:], 2):.0f} files"
        )
        print(f"spool: {watch.spool / 1e6:.0f} MB at most, {spooled_bytes(spool) / 1e6:.0f} left")


def _median(seen: list[tuple[float, int, int]], column: int) -> float:
    values = sorted(one[column] for one in seen)
    return float(values[len(values) // 2]) if values else 0.0


def main() -> None:
    """See the module."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--uploads", type=int, default=100)
    parser.add_argument("--megabytes", type=float, default=1000.0, help="of each upload")
    parser.add_argument("--spool-megabytes", type=float, default=0.0, help="limit of the spool; 0: the default's 8 GiB")
    parser.add_argument("--spool-directory", type=Path, default=Path.cwd(), help="where there is a disk, not memory")
    parser.add_argument("--max-calls", type=int, default=128)
    parser.add_argument("--unannounced", action="store_true", help="sizes are not said beforehand")
    parser.add_argument("--soak", type=int, default=0, metavar="CALLS", help="small calls instead")
    asyncio.run(run(parser.parse_args()))


if __name__ == "__main__":
    main()

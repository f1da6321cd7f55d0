"""Many uploads at once and many calls that are left: what a gateway's process holds stays bounded and flat.

The same shape at full size: `benchmarks/uploads.py`.
"""

from __future__ import annotations

import asyncio
import random
from collections import Counter
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from fake_upstreams import FakeCaptioner, FakeClassifier, serving_captioner, serving_classifier
from service_processes import open_files, resident_mebibytes, served
from tagging_calls import Outcome, tag_upload, tag_video

from vidtomusictags.gateway.v1 import gateway_pb2, gateway_pb2_grpc

pytestmark = pytest.mark.alone  # whatever else ran would take of the room that is measured

MB = 1_000_000
CHUNK = bytes(256 * 1024)


@dataclass
class Gateway:
    """A gateway in a process of its own, and what was seen of it from outside."""

    stub: Any
    pid: int
    root: Path
    spool: Path
    most_spooled: int = 0
    memory: list[float] = field(default_factory=list)

    async def look(self) -> None:
        """Until it is cancelled."""
        while True:
            self.memory.append(resident_mebibytes(self.pid))
            self.most_spooled = max(self.most_spooled, self.spooled())
            await asyncio.sleep(0.01)

    def spooled(self) -> int:
        """Bytes of uploads that are on disk now."""
        total = 0
        for path in self.spool.rglob("*"):
            try:
                total += path.stat().st_size if path.is_file() else 0
            except OSError:  # gone meanwhile
                continue
        return total


@asynccontextmanager
async def gateway(directory: Path, **settings: object) -> AsyncIterator[Gateway]:
    """Between fakes, watched for the length of the block."""
    root, spool = directory / "root", directory / "spool"
    root.mkdir()
    async with (
        serving_captioner(FakeCaptioner(), max_calls=1000) as captioner,
        serving_classifier(FakeClassifier(), max_calls=1000) as classifier,
        served(
            "gateway",
            captioner=f"127.0.0.1:{captioner}",
            classifier=f"127.0.0.1:{classifier}",
            roots=f'["{root}"]',
            spool_directory=spool,
            decode_workers=1,
            **settings,
        ) as (service, channel),
    ):
        assert service.process.stdout is not None
        stub = gateway_pb2_grpc.TaggingServiceStub(channel)
        watched = Gateway(stub, service.process.pid, root, spool)
        watching = asyncio.create_task(watched.look())
        reading = asyncio.create_task(service.process.stdout.read())  # a full pipe would hold the gateway up
        try:
            yield watched
        finally:
            watching.cancel()
            reading.cancel()
            await asyncio.wait({watching, reading})


def padded(film: bytes, size: int) -> Iterator[bytes]:
    """The chunks of a film with an empty box behind it, `size` bytes in all, made while they are asked for."""
    yield film + (size - len(film)).to_bytes(4, "big") + b"free"
    rest = size - len(film) - 8
    for start in range(0, rest, len(CHUNK)):
        yield CHUNK[: rest - start]


async def test_of_many_large_uploads_those_without_room_are_refused_before_they_travel(
    film: Path, tmp_path: Path
) -> None:
    data = film.read_bytes()  # noqa: ASYNC240  # a test may wait
    size, travelled = 10 * MB, Counter[int]()

    def counted(number: int) -> Iterator[bytes]:
        for chunk in padded(data, size):
            travelled[number] += len(chunk)
            yield chunk

    async with gateway(tmp_path, max_spool_bytes=45 * MB) as watched:
        config = gateway_pb2.UploadConfig(size_bytes=size)
        uploads = (tag_upload(watched.stub, counted(number), config=config) for number in range(20))
        outcomes = await asyncio.gather(*uploads)
        assert watched.spooled() == 0
    refused = [number for number, outcome in enumerate(outcomes) if outcome.status]
    assert len(refused) == 16, "four have room"
    for number in refused:
        failure = outcomes[number].failure
        assert (failure.code, failure.reason) == ("RESOURCE_EXHAUSTED", "SPOOL_FULL")
        assert failure.retry_after_seconds
        assert travelled[number] == 0
    assert all(outcome.result.summary.text for outcome in outcomes if not outcome.status)
    assert 20 * MB < watched.most_spooled <= 45 * MB
    assert max(watched.memory) < 512


async def test_uploads_that_do_not_say_how_large_they_are_never_exceed_the_spool(film: Path, tmp_path: Path) -> None:
    data = film.read_bytes()  # noqa: ASYNC240
    async with gateway(tmp_path, max_spool_bytes=100 * MB) as watched:
        assert (await tag_upload(watched.stub, padded(data, MB))).result
        before = max(watched.memory)
        outcomes = await asyncio.gather(*(tag_upload(watched.stub, padded(data, 10 * MB)) for _ in range(40)))
        assert watched.spooled() == 0
    ends = Counter(outcome.failure.reason if outcome.status else "tagged" for outcome in outcomes)
    assert set(ends) <= {"tagged", "SPOOL_FULL", "QUEUE_FULL"}
    assert ends["SPOOL_FULL"] >= 20
    assert watched.most_spooled <= 100 * MB
    assert max(watched.memory) < before + 40 * 4, "MiB; what nobody has read yet waits at its caller's"


async def test_calls_that_end_or_are_left_anywhere_leave_neither_memory_nor_files_behind(
    film: Path, tmp_path: Path
) -> None:
    data, chance = film.read_bytes(), random.Random(1)  # noqa: ASYNC240
    turns, ends = asyncio.Semaphore(8), Counter[str]()

    async def call(watched: Gateway, uri: str) -> None:
        async with turns:
            asked = (
                tag_video(watched.stub, uri) if chance.random() < 0.5 else tag_upload(watched.stub, padded(data, MB))
            )
            running: asyncio.Task[Outcome] = asyncio.create_task(asked)
            if chance.random() < 0.3:
                await asyncio.wait({running}, timeout=chance.uniform(0.0, 0.1))
                running.cancel()
            await asyncio.wait({running})
            left = running.cancelled()
            ends["left" if left else running.result().failure.reason if running.result().status else "tagged"] += 1

    async with gateway(tmp_path) as watched:
        clip = watched.root / "film.mp4"
        clip.write_bytes(data)
        uri = f"file://{clip}"
        await asyncio.gather(*(call(watched, uri) for _ in range(40)))  # warms up
        assert (await tag_video(watched.stub, uri)).result
        memory, files = resident_mebibytes(watched.pid), open_files(watched.pid)
        await asyncio.gather(*(call(watched, uri) for _ in range(120)))
        assert (await tag_video(watched.stub, uri)).result
        async with asyncio.timeout(20):
            while open_files(watched.pid) > files + 2:  # noqa: ASYNC110  # until ended workers' pipes are closed
                await asyncio.sleep(0.05)
        assert resident_mebibytes(watched.pid) < memory + 40
        assert watched.spooled() == 0
    assert ends["left"] >= 20
    assert ends["tagged"] >= 60
    assert set(ends) <= {"left", "tagged", "QUEUE_FULL"}

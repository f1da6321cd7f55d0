"""Uploads that are sampled while they still arrive."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest
from av.video.stream import VideoStream
from tagging_calls import Outcome, hear, pieces, tag_upload

from gateway.early import sampling_early
from gateway.spool import Spool, open_spool
from gateway.video.plan import SamplingPlan
from gateway.video.sandbox import Sandbox, SandboxLimits, running_sandbox
from vidtomusictags.gateway.v1 import gateway_pb2 as pb


def noise(path: Path, *, front: bool) -> bytes:
    """Twelve seconds that do not compress, about 900 KB."""
    random = np.random.default_rng(1)
    with av.open(str(path), "w", options={"movflags": "faststart"} if front else {}) as container:
        stream = container.add_stream("libx264", rate=10, options={"preset": "ultrafast", "threads": "1", "g": "10"})
        assert isinstance(stream, VideoStream)
        stream.width, stream.height, stream.pix_fmt = 128, 96, "yuv420p"
        for _ in range(120):
            picture = random.integers(0, 255, (96, 128, 3), np.uint8)
            container.mux(stream.encode(av.VideoFrame.from_ndarray(picture, format="rgb24")))
        container.mux(stream.encode(None))
    return path.read_bytes()


@pytest.fixture(scope="module")
def front(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    """A film with its index in front."""
    return noise(tmp_path_factory.mktemp("films") / "front.mp4", front=True)


@pytest.fixture(scope="module")
def back(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    """A film with its index at the end."""
    return noise(tmp_path_factory.mktemp("films") / "back.mp4", front=False)


@pytest.fixture
async def sandbox() -> AsyncIterator[Sandbox]:
    async with running_sandbox(SandboxLimits(workers=1)) as running:
        yield running


@pytest.fixture
def spool(tmp_path: Path) -> Any:
    with open_spool(tmp_path, max_upload_bytes=1 << 24, max_total_bytes=1 << 24) as opened:
        yield opened


class Noting:
    """A sandbox that says when an early job begins."""

    def __init__(self, sandbox: Sandbox) -> None:
        self._sandbox = sandbox
        self.begun = asyncio.Event()

    async def sample_meanwhile(self, *arguments: Any) -> Any:
        self.begun.set()
        return await self._sandbox.sample_meanwhile(*arguments)


async def test_an_index_in_front_lets_frames_be_ready_with_the_last_byte(
    front: bytes, sandbox: Sandbox, spool: Spool
) -> None:
    noting, plan = Noting(sandbox), SamplingPlan()
    async with spool.receiving(len(front)) as upload:
        async with sampling_early(noting, upload, plan, size_bytes=len(front)) as early:
            for piece in pieces(front, 100_000)[:-1]:
                await upload.write(piece)
            async with asyncio.timeout(30):
                await noting.begun.wait()
            await upload.write(pieces(front, 100_000)[-1])
            clip = await early.clip()
        assert clip is not None
        assert clip == await sandbox.sample(upload.path, plan)


@pytest.mark.parametrize("why", ["index at the end", "size unknown", "every packet is read"])
async def test_where_it_cannot_help_nothing_is_begun(
    why: str, front: bytes, back: bytes, sandbox: Sandbox, spool: Spool
) -> None:
    data = back if why == "index at the end" else front
    plan = SamplingPlan(sampler="shots" if why == "every packet is read" else "uniform")
    noting = Noting(sandbox)
    async with spool.receiving(len(data)) as upload:
        size = None if why == "size unknown" else len(data)
        async with sampling_early(noting, upload, plan, size_bytes=size) as early:
            await upload.write(data)
            assert await early.clip() is None
    assert not noting.begun.is_set()


@pytest.mark.parametrize("junk", [b"", b"text" * 10, b"\0\0\0\x07ftyp" + bytes(40), b"\0\0\0\1moov" + b"\xff" * 40])
async def test_what_is_no_film_is_not_waited_for(junk: bytes, sandbox: Sandbox, spool: Spool) -> None:
    noting = Noting(sandbox)
    async with (
        spool.receiving(1 << 20) as upload,
        sampling_early(noting, upload, SamplingPlan(), size_bytes=max(len(junk), 1)) as early,
    ):
        await upload.write(junk + b"\0")
        assert await early.clip() is None
    assert not noting.begun.is_set()


async def test_an_upload_that_ends_early_takes_its_worker_along_within_a_second(
    front: bytes, film: Path, sandbox: Sandbox, spool: Spool
) -> None:
    noting, pid = Noting(sandbox), sandbox.workers[0].pid
    async with spool.receiving(len(front)) as upload:
        async with sampling_early(noting, upload, SamplingPlan(), size_bytes=len(front)):
            await upload.write(front[:500_000])
            await noting.begun.wait()
            began = time.monotonic()
        assert time.monotonic() - began < 1
    assert await sandbox.sample(film, SamplingPlan())  # its place is free again
    assert pid not in [worker.pid for worker in sandbox.workers]


async def test_a_whole_call_gives_the_same_with_and_without_an_announced_size(gateway: Any, front: bytes) -> None:
    announced = pb.UploadConfig(size_bytes=len(front))
    early = (await tag_upload(gateway.stub, pieces(front, 50_000), config=announced)).result
    frames = [frame.data for frame in gateway.captioner.frames]
    gateway.captioner.forget()
    late = (await tag_upload(gateway.stub, pieces(front, 50_000))).result
    assert frames == [frame.data for frame in gateway.captioner.frames]
    assert early.manifest.SerializeToString(deterministic=True) == late.manifest.SerializeToString(deterministic=True)


async def test_nothing_is_described_of_an_upload_that_was_cut(gateway: Any, front: bytes) -> None:
    call, outcome = gateway.stub.TagUpload(timeout=30), Outcome()
    await call.write(pb.TagUploadRequest(config=pb.UploadConfig(size_bytes=len(front))))
    for piece in pieces(front, 50_000)[:-1]:
        await call.write(pb.TagUploadRequest(chunk=pb.UploadChunk(data=piece)))
    await call.done_writing()
    assert (await hear(call, outcome)).failure.reason == "INPUT_TRUNCATED"
    assert gateway.captioner.configs == []
    assert gateway.left_on_disk == []

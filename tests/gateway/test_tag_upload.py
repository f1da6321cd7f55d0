"""Videos that the caller sends."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import pytest
from fake_upstreams import raising
from log_lines import LogLines, LogStream
from tagging_calls import Outcome, hear, pieces, tag_upload

from vidtomusictags.gateway.v1 import gateway_pb2 as pb
from vidtomusictags.rpc.failures import AnswerInvalid, CaptioningFailed

METHOD = "/vidtomusictags.gateway.v1.TaggingService/TagUpload"


@pytest.fixture(scope="session")
def film_bytes(film: Path) -> bytes:
    return film.read_bytes()


@pytest.fixture(autouse=True)
async def nothing_stays(gateway: Any, log_stream: LogStream) -> Any:
    """After every case: no upload on disk, all slots free, and no room kept for anybody."""
    yield
    logs = LogLines(log_stream)
    assert gateway.left_on_disk == []
    calls = [gateway.stub.TagUpload(timeout=10) for _ in range(3)]
    try:
        for call in calls:
            await call.write(pb.TagUploadRequest(config=pb.UploadConfig(request_id="probe", size_bytes=1 << 20)))
            assert (await call.read()).event.HasField("accepted")
    finally:
        for call in calls:
            call.cancel()
    await logs.wait_for("answered", count=3, request_id="probe", method=METHOD)


async def test_an_upload_is_tagged(gateway: Any, film_bytes: bytes) -> None:
    config = pb.UploadConfig(request_id="up-1", size_bytes=len(film_bytes))
    outcome = await tag_upload(gateway.stub, pieces(film_bytes), config=config)
    assert outcome.kinds == ["accepted", "progress", "summary", "progress", "result"]
    accepted = outcome.events[0].accepted
    assert accepted.request_id == outcome.result.request_id == "up-1"
    assert (accepted.max_chunk_bytes, accepted.max_upload_bytes) == (1 << 20, 1 << 20)
    assert outcome.result.manifest.video.size_bytes == len(film_bytes)
    assert outcome.result.timings.HasField("receiving")
    assert len(gateway.captioner.frames) == 4


async def test_an_upload_and_a_uri_of_the_same_film_give_the_same(gateway: Any, film_bytes: bytes) -> None:
    one = (await tag_upload(gateway.stub, [film_bytes])).result
    other = (await tag_upload(gateway.stub, pieces(film_bytes, 1000))).result
    assert one.manifest.SerializeToString(deterministic=True) == other.manifest.SerializeToString(deterministic=True)


async def test_a_stream_without_an_end_is_known_as_cut(gateway: Any, film_bytes: bytes) -> None:
    outcome = await tag_upload(gateway.stub, pieces(film_bytes)[:2], end=False)
    assert (outcome.failure.code, outcome.failure.reason) == ("INVALID_ARGUMENT", "INPUT_TRUNCATED")


async def test_an_end_that_counts_other_bytes_is_a_loss(gateway: Any, film_bytes: bytes) -> None:
    outcome = await tag_upload(gateway.stub, [film_bytes], counted=len(film_bytes) + 1)
    assert (outcome.failure.code, outcome.failure.reason) == ("DATA_LOSS", "INPUT_COUNT_MISMATCH")


async def test_a_size_that_was_announced_otherwise_is_a_loss(gateway: Any, film_bytes: bytes) -> None:
    config = pb.UploadConfig(size_bytes=len(film_bytes) - 1)
    outcome = await tag_upload(gateway.stub, [film_bytes], config=config)
    assert outcome.failure.reason == "INPUT_COUNT_MISMATCH"
    assert f"size_bytes said {len(film_bytes) - 1} bytes, {len(film_bytes)} arrived" in outcome.failure.message


async def test_an_upload_that_announces_too_much_is_refused_before_it_begins(gateway: Any) -> None:
    outcome = await tag_upload(gateway.stub, [], config=pb.UploadConfig(size_bytes=(1 << 20) + 1))
    assert outcome.events == []
    assert (outcome.failure.code, outcome.failure.reason) == ("INVALID_ARGUMENT", "VIDEO_TOO_LARGE")


async def test_an_upload_that_is_larger_than_announced_is_stopped_where_its_room_ends(gateway: Any) -> None:
    outcome = await tag_upload(gateway.stub, [bytes(1000)] * 1000, config=pb.UploadConfig(size_bytes=2500))
    assert outcome.failure.reason == "INPUT_COUNT_MISMATCH"
    assert "size_bytes said 2500 bytes, 3000 arrived" in outcome.failure.message


async def test_an_upload_that_grows_too_large_is_stopped(gateway: Any) -> None:
    outcome = await tag_upload(gateway.stub, [bytes(1 << 18)] * 1000)
    assert (outcome.failure.code, outcome.failure.reason) == ("INVALID_ARGUMENT", "VIDEO_TOO_LARGE")


@pytest.mark.parametrize("chunk", [b"", bytes((1 << 20) + 1)], ids=["empty", "more than 1 MiB"])
async def test_a_chunk_of_the_wrong_size_is_refused(chunk: bytes, gateway: Any) -> None:
    outcome = await tag_upload(gateway.stub, [chunk])
    assert (outcome.failure.reason, outcome.failure.field) == ("INVALID_REQUEST", "chunk.data")


async def test_an_upload_of_nothing_is_no_video(gateway: Any) -> None:
    assert (await tag_upload(gateway.stub, [])).failure.reason == "VIDEO_UNREADABLE"


async def test_an_upload_that_is_no_video_is_refused(gateway: Any) -> None:
    assert (await tag_upload(gateway.stub, [b"just text\n" * 100])).failure.reason == "VIDEO_UNREADABLE"


async def test_an_order_that_cannot_be_met_is_refused_before_any_byte(gateway: Any) -> None:
    config = pb.UploadConfig(options=pb.TagOptions(taxonomy_id="house"))
    outcome = await tag_upload(gateway.stub, [], config=config)
    assert outcome.events == []
    assert (outcome.failure.reason, outcome.failure.field) == ("TAXONOMY_UNKNOWN", "options.taxonomy_id")


async def test_a_config_in_the_middle_is_refused(gateway: Any) -> None:
    call, outcome = gateway.stub.TagUpload(timeout=10), Outcome()
    await call.write(pb.TagUploadRequest(config=pb.UploadConfig()))
    await call.write(pb.TagUploadRequest(config=pb.UploadConfig()))
    await call.done_writing()
    assert (await hear(call, outcome)).failure.reason == "CONFIG_REPEATED"


async def test_a_chunk_before_the_config_is_refused(gateway: Any) -> None:
    call, outcome = gateway.stub.TagUpload(timeout=10), Outcome()
    await call.write(pb.TagUploadRequest(chunk=pb.UploadChunk(data=b"x")))
    assert (await hear(call, outcome)).failure.reason == "CONFIG_MISSING"


async def test_more_after_the_end_is_refused(gateway: Any, film_bytes: bytes) -> None:
    release = asyncio.Event()
    gateway.captioner.on_frames = release.wait
    call, outcome = gateway.stub.TagUpload(timeout=10), Outcome()
    await call.write(pb.TagUploadRequest(config=pb.UploadConfig()))
    await call.write(pb.TagUploadRequest(chunk=pb.UploadChunk(data=film_bytes)))
    await call.write(pb.TagUploadRequest(end_of_input=pb.EndOfUpload(size_bytes=len(film_bytes))))
    await call.write(pb.TagUploadRequest(chunk=pb.UploadChunk(data=b"more")))
    await call.done_writing()
    assert (await hear(call, outcome)).failure.reason == "INPUT_AFTER_END"


async def test_a_failure_while_describing_leaves_nothing(gateway: Any, film_bytes: bytes) -> None:
    gateway.captioner.on_frames = raising(CaptioningFailed("The model could not."))
    outcome = await tag_upload(gateway.stub, pieces(film_bytes))
    assert outcome.failure.reason == "CAPTIONING_FAILED"
    assert outcome.kinds == ["accepted", "progress", "error"]


async def test_a_failure_while_tagging_leaves_nothing(gateway: Any, film_bytes: bytes) -> None:
    gateway.classifier.on_summary = raising(AnswerInvalid("It was withheld."))
    outcome = await tag_upload(gateway.stub, pieces(film_bytes))
    assert outcome.failure.reason == "MODEL_OUTPUT_INVALID"
    assert outcome.kinds == ["accepted", "progress", "summary", "progress", "error"]


@pytest.mark.parametrize("when", ["before it sends", "while it sends", "while it is described", "while it is tagged"])
async def test_a_caller_that_leaves_takes_all_its_traces_along(
    when: str, gateway: Any, film_bytes: bytes, logs: LogLines
) -> None:
    reached, forever = asyncio.Event(), asyncio.Event()

    async def wait_for_ever() -> None:
        reached.set()
        await forever.wait()

    gateway.captioner.on_frames = wait_for_ever if when == "while it is described" else gateway.captioner.on_frames
    gateway.classifier.on_summary = wait_for_ever if when == "while it is tagged" else gateway.classifier.on_summary
    call = gateway.stub.TagUpload(timeout=30)
    await call.write(pb.TagUploadRequest(config=pb.UploadConfig(request_id="leaver", size_bytes=len(film_bytes))))
    await call.read()
    if when == "before it sends":
        pass
    elif when == "while it sends":
        await call.write(pb.TagUploadRequest(chunk=pb.UploadChunk(data=film_bytes[:1000])))
        while not any(path.stat().st_size for path in gateway.left_on_disk):
            await call.read()  # signs of life
    else:
        await call.write(pb.TagUploadRequest(chunk=pb.UploadChunk(data=film_bytes)))
        await call.write(pb.TagUploadRequest(end_of_input=pb.EndOfUpload(size_bytes=len(film_bytes))))
        await reached.wait()
        assert len(gateway.left_on_disk) == 1
    call.cancel()
    (line,) = await logs.wait_for("answered", method=METHOD, request_id="leaver")
    assert line["code"] == "CANCELLED"
    if "sends" not in when:  # the work behind it has ended too
        method = (
            "captioner.v1.CaptionerService/Caption"
            if when == "while it is described"
            else "classifier.v1.ClassifierService/Classify"
        )
        await logs.wait_for("answered", request_id="leaver", code="CANCELLED", method=f"/vidtomusictags.{method}")


async def test_a_full_spool_says_when_to_come_back(
    gateway: Any, gateway_with: Any, film_bytes: bytes, tmp_path: Path
) -> None:
    room = {"max_upload_bytes": 1 << 20, "max_spool_bytes": len(film_bytes) + 1000}
    async with gateway_with(gateway.captioner, gateway.classifier, tmp_path, **room) as small:
        release = asyncio.Event()
        gateway.captioner.on_frames = release.wait
        first = asyncio.create_task(tag_upload(small.stub, pieces(film_bytes)))
        await gateway.captioner.describing.wait()
        announced = await tag_upload(small.stub, [], config=pb.UploadConfig(size_bytes=len(film_bytes)))
        assert announced.events == []
        unannounced = await tag_upload(small.stub, pieces(film_bytes, 900))
        release.set()
        assert (await first).result
        for outcome in (announced, unannounced):
            assert (outcome.failure.code, outcome.failure.reason) == ("RESOURCE_EXHAUSTED", "SPOOL_FULL")
            assert outcome.failure.retry_after_seconds
        assert (await tag_upload(small.stub, pieces(film_bytes))).result
        assert small.left_on_disk == []
    assert list(small.spool.iterdir()) == []


async def test_announced_uploads_keep_their_room_before_a_byte_of_them_has_come(
    gateway: Any, gateway_with: Any, film_bytes: bytes, tmp_path: Path
) -> None:
    room = {"max_upload_bytes": 1 << 20, "max_spool_bytes": 2 * len(film_bytes) - 1}
    config = pb.UploadConfig(size_bytes=len(film_bytes))
    async with gateway_with(gateway.captioner, gateway.classifier, tmp_path, **room) as small:
        first, outcome = small.stub.TagUpload(timeout=30), Outcome()
        await first.write(pb.TagUploadRequest(config=config))
        outcome.events.append((await first.read()).event)
        other = await tag_upload(small.stub, pieces(film_bytes), config=config)
        assert other.events == [], "it is told before it sends anything"
        assert (other.failure.code, other.failure.reason) == ("RESOURCE_EXHAUSTED", "SPOOL_FULL")
        assert other.failure.retry_after_seconds
        await first.write(pb.TagUploadRequest(chunk=pb.UploadChunk(data=film_bytes)))
        await first.write(pb.TagUploadRequest(end_of_input=pb.EndOfUpload(size_bytes=len(film_bytes))))
        await first.done_writing()
        assert (await hear(first, outcome)).result, "the one whose room was kept is not disturbed"
        assert (await tag_upload(small.stub, pieces(film_bytes), config=config)).result

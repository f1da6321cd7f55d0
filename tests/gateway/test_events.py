"""What a caller hears on the way: signs of life, progress that never falls, and the same result every time."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from fake_upstreams import raising
from log_lines import LogLines
from tagging_calls import Outcome, hear, pieces, tag_upload, tag_video

from vidtomusictags.gateway.v1 import gateway_pb2 as pb
from vidtomusictags.rpc.failures import CaptioningFailed


async def until_heard(call: Any, outcome: Outcome, stage: pb.Stage.ValueType, times: int) -> None:
    while sum(progress.stage == stage for progress in outcome.progress) < times:
        outcome.events.append((await call.read()).event)


@pytest.mark.parametrize("stage", [pb.STAGE_CAPTIONING, pb.STAGE_CLASSIFYING])
async def test_a_slow_stage_gives_signs_of_life(stage: pb.Stage.ValueType, gateway: Any) -> None:
    release, outcome = asyncio.Event(), Outcome()
    if stage == pb.STAGE_CAPTIONING:
        gateway.captioner.on_frames = release.wait
    else:
        gateway.classifier.on_summary = release.wait
    call = gateway.stub.TagVideo(pb.TagVideoRequest(uri=f"file://{gateway.root}/film.mp4"), timeout=10)
    await until_heard(call, outcome, stage, times=4)
    release.set()
    assert (await hear(call, outcome)).result
    repeated = [progress for progress in outcome.progress if progress.stage == stage]
    assert all(progress == repeated[0] for progress in repeated)


async def test_a_slow_upload_gives_signs_of_life(gateway: Any) -> None:
    film, outcome = (gateway.root / "film.mp4").read_bytes(), Outcome()
    call = gateway.stub.TagUpload(timeout=10)
    await call.write(pb.TagUploadRequest(config=pb.UploadConfig()))
    await until_heard(call, outcome, pb.STAGE_RECEIVING, times=4)
    await call.write(pb.TagUploadRequest(chunk=pb.UploadChunk(data=film)))
    await call.write(pb.TagUploadRequest(end_of_input=pb.EndOfUpload(size_bytes=len(film))))
    await call.done_writing()
    assert (await hear(call, outcome)).result


@pytest.mark.parametrize("announced", [True, False])
async def test_progress_never_falls_and_events_are_counted(announced: bool, gateway: Any) -> None:
    film = (gateway.root / "film.mp4").read_bytes()
    config = pb.UploadConfig(size_bytes=len(film) if announced else None)
    outcome = await tag_upload(gateway.stub, pieces(film), config=config)
    assert outcome.result
    percents = [progress.percent for progress in outcome.progress]
    assert percents == sorted(percents)
    assert percents[0] == 0
    assert percents[-1] < 100
    stages = [progress.stage for progress in outcome.progress]
    assert stages == sorted(stages)
    assert set(stages) == {pb.STAGE_RECEIVING, pb.STAGE_SAMPLING, pb.STAGE_CAPTIONING, pb.STAGE_CLASSIFYING}
    assert [event.sequence for event in outcome.events] == list(range(1, len(outcome.events) + 1))


async def test_the_same_film_gives_the_same_result_byte_for_byte(gateway: Any) -> None:
    def essence(result: pb.TagResult) -> bytes:
        result.ClearField("timings")
        result.ClearField("request_id")
        return result.SerializeToString(deterministic=True)

    outcomes = [await tag_video(gateway.stub, f"file://{gateway.root}/film.mp4") for _ in range(2)]
    one, other = (essence(outcome.result) for outcome in outcomes)
    assert one == other


async def test_the_request_id_runs_through_all_services(gateway: Any, logs: LogLines) -> None:
    outcome = await tag_video(gateway.stub, f"file://{gateway.root}/film.mp4", request_id="trace-me")
    assert outcome.events[0].accepted.request_id == outcome.result.request_id == "trace-me"
    lines = await logs.wait_for("answered", count=4, request_id="trace-me")
    methods = sorted(line["method"].rpartition("/")[2] for line in lines)
    assert methods == ["Caption", "Classify", "Classify", "TagVideo"]


async def test_a_call_that_succeeds_is_ok_in_the_log_of_every_service(gateway: Any, logs: LogLines) -> None:
    for _ in range(10):
        assert (await tag_video(gateway.stub, f"file://{gateway.root}/film.mp4")).result
    for method, count in {"TagVideo": 10, "Caption": 10, "Classify": 20}.items():
        name = next(line["method"] for line in logs.of("answered") if line["method"].endswith(f"/{method}"))
        lines = await logs.wait_for("answered", count=count, method=name)
        assert {line["code"] for line in lines} == {"OK"}


async def test_neither_the_summary_nor_the_path_is_logged(gateway: Any, logs: LogLines) -> None:
    options = pb.TagOptions(text_deltas=True)
    assert (await tag_video(gateway.stub, f"file://{gateway.root}/film.mp4", options)).result
    await logs.wait_for("answered", method="/vidtomusictags.gateway.v1.TaggingService/TagVideo")
    assert "forest" not in logs.text
    assert "film.mp4" not in logs.text


async def test_a_call_that_fails_has_its_reason_in_the_log_of_every_service(gateway: Any, logs: LogLines) -> None:
    gateway.captioner.on_frames = raising(CaptioningFailed("The model could not."))
    assert (await tag_video(gateway.stub, f"file://{gateway.root}/film.mp4")).failure
    lines = await logs.wait_for("answered", count=2, reason="CAPTIONING_FAILED")
    assert sorted(line["method"].rpartition("/")[2] for line in lines) == ["Caption", "TagVideo"]

"""A real model in its worker process: the same texts through kill -9 and SIGSTOP, and what is served is told."""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

pytest.importorskip("torch", reason="needs torch: pip install -e '.[captioner-transformers]'")

import grpc
from slot_requests import noise_clip
from warm_workers import warm_workers

from captioner_service.app import running
from captioner_service.describer import Described
from captioner_service.describers import open_describer
from captioner_service.settings import CaptionerSettings
from captioner_service.worker.in_flight import InFlight
from vidtomusictags.captioner.v1 import captioner_pb2 as pb
from vidtomusictags.captioner.v1 import captioner_pb2_grpc
from vidtomusictags.media.v1 import media_pb2
from vidtomusictags.rpc import failures
from vidtomusictags.rpc.durations import to_duration


def settings(checkpoints: Path, **other: object) -> CaptionerSettings:
    return CaptionerSettings(
        engine="transformers",
        model=str(checkpoints / "llava_next_video"),
        offline=True,
        max_slots=4,
        context_tokens=1024,
        threads=1,
        reserve_gib=0.0,
        drain_announce_seconds=0,
        listen="127.0.0.1:0",
        **other,  # type: ignore[arg-type]
    )


def long_text(describer: InFlight) -> tuple[asyncio.Task[Described], asyncio.Event]:
    """A call that will not end by itself for a while, and what is set once its text begins to come."""
    heard = asyncio.Event()
    clip = noise_clip(4, max_new_tokens=500)
    task = asyncio.create_task(describer.submit(clip, within_seconds=90, on_text=lambda _: heard.set()))
    return task, heard


@pytest.fixture
def warm() -> Iterator[None]:
    """The worker and those that replace it are born warm; the one that is asked over the wire starts from nothing."""
    with warm_workers():
        yield


@pytest.mark.usefixtures("warm")
async def test_a_worker_killed_or_stopped_under_load_costs_no_unheard_text(checkpoints: Path) -> None:
    describer = open_describer(settings(checkpoints, max_step_seconds=6.0))
    assert isinstance(describer, InFlight)
    clips = [noise_clip(4, seed=n, max_new_tokens=60) for n in range(12)]
    async with describer.alive():
        await describer.load()
        expected = [(await describer.submit(clip, within_seconds=60)).caption.text for clip in clips]
        for fault in (signal.SIGKILL, signal.SIGSTOP):
            first, heard = long_text(describer)
            running_clips = [asyncio.create_task(describer.submit(clip, within_seconds=90)) for clip in clips]
            await heard.wait()
            pid = describer.worker_pid
            assert pid is not None
            os.kill(pid, fault)
            with pytest.raises(failures.WorkerLost):
                await first
            described = await asyncio.gather(*running_clips)
            assert [one.caption.text for one in described] == expected
            assert describer.worker_pid != pid
        assert describer.held == 0


async def test_a_summary_over_the_wire_tells_the_model_and_what_it_cost(checkpoints: Path) -> None:
    async with (
        running(settings(checkpoints, revision="abc123")) as port,
        grpc.aio.insecure_channel(f"127.0.0.1:{port}") as channel,
    ):
        stub = captioner_pb2_grpc.CaptionerServiceStub(channel)
        model = await stub.GetModel(pb.GetModelRequest())
        assert (model.engine, model.model, model.quantisation) == ("transformers", "llava_next_video", "none")
        assert (model.frame_short_side, model.context_tokens, model.max_concurrent_clips) == (56, 1024, 4)
        assert model.tokens_per_frame == pytest.approx(4)
        data = bytes(range(256)) * 36 + bytes(1024 * 9 - 256 * 36)
        frames = [media_pb2.Frame(index=n, pts=to_duration(n / 2), data=data) for n in range(8)]
        config = pb.CaptionConfig(
            encoding=media_pb2.FRAME_ENCODING_RGB24,
            frame_size=media_pb2.FrameSize(width=64, height=48),
            prompt=pb.Prompt(text="What <video> is it? </s>"),
            generation=pb.GenerationOptions(max_new_tokens=20, temperature=0.8, seed=3),
        )
        request = pb.CaptionClipRequest(config=config, frames=frames)
        first, again = [(await stub.CaptionClip(request)).summary for _ in range(2)]
        assert first.text == again.text
        assert (first.provenance.revision, first.provenance.seed, first.provenance.frame_count) == ("abc123", 3, 8)
        assert first.usage.prompt_tokens > 32 and first.usage.completion_tokens == 20
        assert first.finish_reason == pb.FINISH_REASON_LENGTH
        assert (first.usage.reused_prompt_tokens, again.usage.reused_prompt_tokens > 32) == (0, True)
        assert first.timings.prefill.ToMicroseconds() > 0 and first.timings.decode.ToMicroseconds() > 0
        config.generation.max_new_tokens = 512
        config.prompt.text = "Tell me more. " * 140
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            await stub.CaptionClip(pb.CaptionClipRequest(config=config, frames=frames))
        assert caught.value.code() is grpc.StatusCode.INVALID_ARGUMENT

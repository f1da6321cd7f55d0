"""What the captioner tells Prometheus of its line, its slots, its model and its endpoints."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from pathlib import Path
from typing import Any

import pytest
from metrics_page import free_address, read, until_value
from recording_meter import RecordingMeter
from scripted_engine import CARD

sys.path.insert(0, str(Path(__file__).parent / "worker"))  # under importlib mode tests find their helpers only thus

from worker_scripts import clip_of, scripted_worker  # type: ignore[import-not-found,unused-ignore]

from captioner_service import metrics
from captioner_service.app import running
from captioner_service.clip import Caption, FinishReason
from captioner_service.describer import Condition, Described
from captioner_service.settings import CaptionerSettings
from captioner_service.worker.in_flight import InFlight
from captioner_service.worker.supervisor import Patience
from vidtomusictags.rpc.work_metrics import COMPLETION_TOKENS, QUEUE_SECONDS, RESTARTS


async def until(condition: Any) -> None:
    async with asyncio.timeout(20):
        while not condition():  # noqa: ASYNC110  # the worker's messages wake nobody here
            await asyncio.sleep(0.01)


async def test_the_line_and_the_slots_are_told_while_clips_wait() -> None:
    describer = InFlight(scripted_worker(slots=2), max_queued=8)
    address = free_address()
    settings = CaptionerSettings(listen="127.0.0.1:0", metrics_listen=address, drain_announce_seconds=0)
    async with running(settings, describer):
        assert (await read(address)).value("vidtags_slots") == 2
        tasks = [asyncio.create_task(describer.submit(clip_of(tokens=4000), within_seconds=60)) for _ in range(5)]
        page = await until_value(address, 3, "vidtags_queue_length")
        assert page.value("vidtags_slots_used") == 2
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        page = await until_value(address, 0, "vidtags_slots_used")
        assert page.value("vidtags_queue_length") == 0


async def test_a_lost_worker_is_counted_by_its_cause_and_the_state_follows() -> None:
    meter = RecordingMeter()
    describer = InFlight(scripted_worker(), max_queued=4, patience=Patience(first_pause_seconds=0.01), meter=meter)
    address = free_address()
    settings = CaptionerSettings(listen="127.0.0.1:0", metrics_listen=address, drain_announce_seconds=0)
    async with running(settings, describer):
        assert (await read(address)).value("vidtags_model_state", state="ready") == 1
        lost = describer.worker_pid
        assert lost is not None
        os.kill(lost, signal.SIGKILL)
        await until(lambda: meter.sum(RESTARTS, "ended") == 1)
        page = await until_value(address, 1, "vidtags_ready")
        assert page.value("vidtags_model_state") == 1  # exactly one state holds


def test_first_text_comes_with_the_prefill_or_where_that_is_not_told_with_the_whole() -> None:
    meter = RecordingMeter()
    caption = Caption("text", FinishReason.STOP, prompt_tokens=100, completion_tokens=7)
    metrics.count(meter, Described(caption, 1.0, 5.0, 3, prefill_seconds=2.0, decode_seconds=3.0), "scripted")
    metrics.count(meter, Described(caption, 1.0, 5.0, 1), "scripted")
    assert meter.observed(metrics.FIRST_TEXT_SECONDS) == [3.0, 6.0]
    assert meter.observed(QUEUE_SECONDS) == [1.0, 1.0]
    assert meter.observed(metrics.BATCH_CLIPS) == [3, 1]
    assert meter.sum(COMPLETION_TOKENS, "scripted") == 14


@pytest.mark.parametrize("state", ["loading", "ready", "restarting", "lost"])
def test_one_state_holds_at_a_time(state: str) -> None:
    meter = RecordingMeter()
    model = metrics.ModelState(meter)
    if state != "loading":
        model.loaded(CARD, 1.5)
        model.changed(Condition(state))
    held = {key[1]: read_now() for key, read_now in meter.watched.items() if key[0] == metrics.MODEL_STATE.name}
    assert held == {one: float(one == state) for one in ("loading", "ready", "restarting", "lost")}

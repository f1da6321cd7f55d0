"""Clips through a worker process: text, refusals, cancelling, and nothing kept of what has ended."""

from __future__ import annotations

import asyncio
import os
import random
from pathlib import Path
from typing import Any

import pytest
from structlog.testing import capture_logs
from worker_scripts import clip_of, words

from captioner_service.clip import FinishReason
from vidtomusictags.rpc import failures


async def test_loading_is_told_in_the_log_from_its_first_moment(in_flight: Any) -> None:
    with capture_logs() as logs:
        async with in_flight():
            pass
    loading = [entry for entry in logs if entry["event"] == "loading model"]
    assert (loading[0]["what"], loading[0]["percent"]) == ("libraries", 0)
    assert (loading[-1]["what"], loading[-1]["percent"]) == ("warming up", 100)
    assert all(entry["seconds"] >= 0 for entry in loading)


async def test_many_clips_at_once_each_get_their_own_text(in_flight: Any) -> None:
    async with in_flight(slots=4) as describer:
        clips = [clip_of(tokens=3 + n % 7, seed=100 * n) for n in range(30)]
        described = await asyncio.gather(*(describer.submit(clip, within_seconds=30) for clip in clips))
        assert [one.caption.text for one in described] == [words(clip) for clip in clips]
        assert max(one.batch_size for one in described) == 4
        assert describer.held == 0


async def test_the_pieces_that_are_told_join_to_the_text(in_flight: Any) -> None:
    async with in_flight() as describer:
        pieces: list[str] = []
        described = await describer.submit(clip_of(tokens=20), within_seconds=30, on_text=pieces.append)
        assert "".join(pieces) == described.caption.text
        assert len(pieces) > 5


async def test_a_summary_says_what_it_cost_and_why_it_ended(in_flight: Any) -> None:
    async with in_flight() as describer:
        whole = await describer.submit(clip_of(tokens=9), within_seconds=30)
        assert (whole.caption.prompt_tokens, whole.caption.completion_tokens) == (4, 9)
        assert whole.caption.finish_reason is FinishReason.LENGTH
        assert whole.generate_seconds == pytest.approx(whole.prefill_seconds + whole.decode_seconds)
        stopped = await describer.submit(clip_of(tokens=9, stop=("w10",)), within_seconds=30)
        assert stopped.caption.text == "w7 w8 w9"
        assert stopped.caption.finish_reason is FinishReason.STOP


async def test_a_full_line_refuses_at_once_and_says_when_to_come_back(in_flight: Any) -> None:
    async with in_flight(slots=1, max_queued=2, step_seconds=0.01) as describer:
        waiting = [asyncio.create_task(describer.submit(clip_of(tokens=200), within_seconds=30)) for _ in range(9)]
        done, pending = await asyncio.wait(waiting, timeout=1.0)
        refusals = [task.exception() for task in done]
        assert len(refusals) >= 4  # one slot, two prepared ahead, two in line
        for refusal in refusals:
            assert isinstance(refusal, failures.QueueFull)
            assert refusal.retry_after_seconds is not None and refusal.retry_after_seconds > 0
        for task in pending:
            task.cancel()
        await asyncio.gather(*pending, return_exceptions=True)


async def test_a_wait_that_would_outlast_the_deadline_is_refused_at_once(in_flight: Any) -> None:
    async with in_flight(slots=1, step_seconds=0.02) as describer:
        await describer.submit(clip_of(tokens=20), within_seconds=30)  # teaches how long a clip takes
        running = [asyncio.create_task(describer.submit(clip_of(tokens=20), within_seconds=30)) for _ in range(3)]
        await asyncio.sleep(0)
        with pytest.raises(failures.WouldMissDeadline):
            await describer.submit(clip_of(tokens=20), within_seconds=0.1)
        await asyncio.gather(*running)


async def test_a_text_that_is_not_finished_in_time_is_given_up(in_flight: Any) -> None:
    async with in_flight(slots=1, step_seconds=0.02) as describer:
        with pytest.raises(failures.DeadlineExceeded):
            await describer.submit(clip_of(tokens=4000), within_seconds=0.3)
        described = await describer.submit(clip_of(), within_seconds=30)  # its slot is free again
        assert described.caption.text == words(clip_of())


async def test_cancelling_frees_the_slot(in_flight: Any) -> None:
    async with in_flight(slots=1, step_seconds=0.02) as describer:
        started = asyncio.Event()
        endless = asyncio.create_task(
            describer.submit(clip_of(tokens=4000), within_seconds=600, on_text=lambda _: started.set())
        )
        await started.wait()
        endless.cancel()
        described = await describer.submit(clip_of(), within_seconds=30)
        assert described.caption.text == words(clip_of())
        assert describer.held == 0


async def test_a_clip_that_the_model_cannot_take_names_the_field(in_flight: Any) -> None:
    async with in_flight() as describer:
        with pytest.raises(failures.InvalidRequest, match="Send fewer frames") as caught:
            await describer.submit(clip_of("unfit"), within_seconds=30)
        assert caught.value.field == "frames"


@pytest.mark.parametrize("script", ["fail", "unpreparable"])
async def test_a_clip_that_fails_fails_alone(in_flight: Any, script: str) -> None:
    async with in_flight() as describer:
        bad = asyncio.create_task(describer.submit(clip_of(script), within_seconds=30))
        good = await describer.submit(clip_of(tokens=50), within_seconds=30)
        assert good.caption.text == words(clip_of(tokens=50))
        with pytest.raises(failures.CaptioningFailed):
            await bad


async def test_two_thousand_clips_with_random_cancels_leave_nothing_behind(in_flight: Any) -> None:
    chance = random.Random(3)
    async with in_flight(slots=8, max_queued=3000) as describer:

        async def one(number: int) -> str:
            clip = clip_of(tokens=chance.randrange(1, 12), seed=number)
            task = asyncio.create_task(describer.submit(clip, within_seconds=120))
            if chance.random() < 0.3:
                for _ in range(chance.randrange(1, 30)):
                    await asyncio.sleep(0)
                task.cancel()
            try:
                assert (await task).caption.text == words(clip)
            except asyncio.CancelledError:
                return "cancelled"
            return "done"

        worker = Path(f"/proc/{describer.worker_pid}")
        outcomes: list[str] = []
        memory = []
        files = _open_files(Path("/proc/self"))
        for batch in range(10):
            outcomes += await asyncio.gather(*(one(number) for number in range(200 * batch, 200 * batch + 200)))
            memory.append((_resident_bytes(worker), _resident_bytes(Path("/proc/self"))))
        assert len(outcomes) == 2000
        assert 200 < outcomes.count("cancelled") < 800
        await describer.submit(clip_of(), within_seconds=30)
        assert describer.held == 0
        for early, late in zip(memory[2], memory[-1], strict=True):
            assert late - early < 8 * 1024 * 1024
        assert _open_files(Path("/proc/self")) <= files + 8  # what other tests of this process hold is not ours
        assert _open_files(worker) < 50


def _open_files(process: Path) -> int:
    return len(list((process / "fd").iterdir()))


def _resident_bytes(process: Path) -> int:
    pages = int((process / "statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE")

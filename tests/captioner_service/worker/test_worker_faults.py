"""Whatever happens to the worker, callers get an answer, and the next worker goes on."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from pathlib import Path
from typing import Any

import pytest
from worker_scripts import clip_of, scripted_worker, words

from captioner_service.describer import Condition, Described
from captioner_service.worker.canary import CanaryBook
from captioner_service.worker.in_flight import InFlight
from captioner_service.worker.supervisor import Patience
from vidtomusictags.rpc import failures


async def first_condition(describer: InFlight) -> Condition:
    async for condition in describer.conditions():
        return condition
    raise AssertionError


async def until_heard(describer: InFlight) -> asyncio.Task[Described]:
    """Starts a long text and returns once its first piece is there."""
    heard = asyncio.Event()
    clip = clip_of(tokens=4000)
    task = asyncio.create_task(describer.submit(clip, within_seconds=60, on_text=lambda _: heard.set()))
    await heard.wait()
    return task


async def test_a_killed_worker_is_replaced_and_unheard_clips_are_described_all_the_same(in_flight: Any) -> None:
    async with in_flight(slots=2, step_seconds=0.01) as describer:
        long = await until_heard(describer)
        first = describer.worker_pid  # now, as a worker that came before would not be the one that is killed
        clips = [clip_of(tokens=60, seed=n) for n in range(6)]
        running = [asyncio.create_task(describer.submit(clip, within_seconds=60)) for clip in clips]
        await asyncio.wait(running, return_when=asyncio.FIRST_COMPLETED)
        os.kill(first, signal.SIGKILL)
        described = await asyncio.gather(*running)
        with pytest.raises(failures.WorkerLost):
            await long
        assert [one.caption.text for one in described] == [words(clip) for clip in clips]
        assert describer.worker_pid != first


async def test_a_caller_who_has_heard_text_is_told_that_the_worker_was_lost(in_flight: Any) -> None:
    async with in_flight(slots=2, step_seconds=0.01) as describer:
        running = await until_heard(describer)
        os.kill(describer.worker_pid, signal.SIGKILL)
        with pytest.raises(failures.WorkerLost) as caught:
            await running
        assert caught.value.code == "UNAVAILABLE"
        assert caught.value.retry_after_seconds is not None
        assert await first_condition(describer) is Condition.RESTARTING
        assert await first_condition(describer) is Condition.READY


@pytest.mark.parametrize("state", ["live", "idle"])
async def test_a_stopped_worker_is_killed_and_replaced(in_flight: Any, state: str) -> None:
    patience = Patience(step_seconds=2.0, first_pause_seconds=0.01)
    async with in_flight(step_seconds=0.01, patience=patience) as describer:
        live = [await until_heard(describer)] if state == "live" else []
        first = describer.worker_pid
        os.kill(first, signal.SIGSTOP)
        assert await first_condition(describer) is Condition.RESTARTING
        for task in live:
            with pytest.raises(failures.WorkerLost):
                await task
        assert describer.worker_pid != first
        assert (await describer.submit(clip_of(), within_seconds=60)).caption.text == words(clip_of())


async def test_a_step_that_never_ends_is_ended(in_flight: Any) -> None:
    patience = Patience(step_seconds=2.0, first_pause_seconds=0.01)
    async with in_flight(patience=patience) as describer:
        hanging = asyncio.create_task(describer.submit(clip_of("hang"), within_seconds=60))
        with pytest.raises(failures.WorkerLost):  # it hangs the second worker, too
            await hanging
        assert (await describer.submit(clip_of(), within_seconds=60)).caption.text == words(clip_of())


async def test_a_lost_device_starts_a_new_process(in_flight: Any) -> None:
    async with in_flight() as describer:
        first = describer.worker_pid
        with pytest.raises(failures.WorkerLost):
            await describer.submit(clip_of("lost"), within_seconds=60)
        assert (await describer.submit(clip_of(), within_seconds=60)).caption.text == words(clip_of())
        assert describer.worker_pid != first


async def test_a_clip_that_kills_one_worker_by_chance_is_described_by_the_next(in_flight: Any, tmp_path: Path) -> None:
    async with in_flight() as describer:
        clip = clip_of(f"die once {tmp_path / 'died'}")
        assert (await describer.submit(clip, within_seconds=60)).caption.text == words(clip)


async def test_a_clip_that_kills_every_worker_is_given_up_after_two(in_flight: Any) -> None:
    async with in_flight() as describer:
        with pytest.raises(failures.WorkerLost):
            await describer.submit(clip_of("die"), within_seconds=60)
        assert (await describer.submit(clip_of(), within_seconds=60)).caption.text == words(clip_of())


async def test_a_worker_lost_too_often_is_given_up_and_callers_are_told_at_once(in_flight: Any) -> None:
    patience = Patience(step_seconds=30.0, first_pause_seconds=0.01, restarts=1)
    async with in_flight(patience=patience) as describer:
        with pytest.raises(failures.WorkerLost):
            await describer.submit(clip_of("die"), within_seconds=60)
        assert [await first_condition(describer) for _ in range(4)] == [
            Condition.RESTARTING,
            Condition.READY,
            Condition.RESTARTING,
            Condition.LOST,
        ]
        with pytest.raises(failures.WorkerLost):
            await describer.submit(clip_of(), within_seconds=60)


async def test_a_wrong_setting_stops_the_start_with_its_message() -> None:
    describer = InFlight(scripted_worker(refuse=True), max_queued=4)
    async with describer.alive():
        with pytest.raises(ValueError, match="CAPTIONER_MODEL names nothing"):
            await describer.load()


async def test_a_worker_that_dies_while_loading_stops_the_start() -> None:
    describer = InFlight(scripted_worker(die_loading=True), max_queued=4)
    async with describer.alive():
        with pytest.raises(RuntimeError, match="ended while loading"):
            await describer.load()


async def test_the_worker_ends_with_the_service(in_flight: Any) -> None:
    async with in_flight() as describer:
        pid = describer.worker_pid
        assert _is_there(pid)
    assert not _is_there(pid)


def _is_there(pid: int) -> bool:
    return Path(f"/proc/{pid}").exists()


SERVICE = """
import asyncio
from worker_scripts import scripted_worker
from captioner_service.worker.in_flight import InFlight

async def main():
    describer = InFlight(scripted_worker(), max_queued=4)
    async with describer.alive():
        await describer.load()
        print(describer.worker_pid, flush=True)
        await asyncio.Event().wait()

asyncio.run(main())
"""


async def test_the_worker_of_a_killed_service_ends_by_itself() -> None:
    here = str(Path(__file__).parent)
    service = await asyncio.create_subprocess_exec(
        sys.executable, "-c", SERVICE, stdout=asyncio.subprocess.PIPE, env={**os.environ, "PYTHONPATH": here}
    )
    assert service.stdout is not None
    try:
        lines = [await service.stdout.readline() for _ in range(1)]
        while not lines[-1].strip().isdigit():  # its log comes first
            lines.append(await service.stdout.readline())
        worker = os.pidfd_open(int(lines[-1]))
    finally:
        service.kill()
        await service.wait()
    ended = asyncio.Event()
    asyncio.get_running_loop().add_reader(worker, ended.set)  # readable once the process has ended
    try:
        async with asyncio.timeout(20):
            await ended.wait()
    finally:
        asyncio.get_running_loop().remove_reader(worker)
        os.close(worker)


async def test_a_canary_that_comes_to_other_tokens_keeps_a_worker_from_being_ready(tmp_path: Path) -> None:
    weights = tmp_path / "weights"
    weights.write_bytes(b"12")
    book = tmp_path / "state" / "canary.json"

    async def start() -> None:
        describer = InFlight(scripted_worker(canary_file=str(weights)), max_queued=4, canaries=CanaryBook(book))
        async with describer.alive():
            await describer.load()

    await start()
    await start()
    weights.write_bytes(b"123")
    with pytest.raises(RuntimeError, match="canary came to other tokens"):
        await start()

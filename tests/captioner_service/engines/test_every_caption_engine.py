"""The contract that every way of describing clips keeps, whatever is behind it."""

from __future__ import annotations

import asyncio
import importlib.util
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, AbstractContextManager, asynccontextmanager, nullcontext
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import pytest_asyncio

from captioner_service.clip import Clip, GenerationOptions, Prompt
from captioner_service.describer import Describer
from captioner_service.describers import open_describer
from captioner_service.settings import CaptionerSettings

FAMILIES = ["llava_next_video", "llava_onevision", "smolvlm", "qwen2_5_vl", "qwen3_vl", "video_llava", "internvl"]
ENGINES = ["embedded", "instant", "openai", *FAMILIES]


@asynccontextmanager
async def loaded(starting: AbstractContextManager[None] | None = None, **settings: Any) -> AsyncIterator[Describer]:
    """starting: around its start."""
    describer = open_describer(CaptionerSettings(max_queued_clips=64, **settings))
    async with describer.alive():
        with starting or nullcontext():
            await describer.load()
        yield describer


def in_a_worker(model: Path) -> AbstractAsyncContextManager[Describer]:
    from warm_workers import warm_workers  # type: ignore[import-not-found,unused-ignore]

    sizes = {"context_tokens": 1024, "max_slots": 4, "threads": 1, "reserve_gib": 0.0}
    return loaded(warm_workers(), engine="transformers", model=str(model), offline=True, **sizes)


@asynccontextmanager
async def behind_an_endpoint() -> AsyncIterator[Describer]:
    from endpoint_process import endpoint  # type: ignore[import-not-found,unused-ignore]

    async with endpoint("slow") as server, loaded(engine="openai", openai_base_urls=(server.url,)) as describer:
        yield describer


def opened(name: str, checkpoint: Callable[[str], Path]) -> AbstractAsyncContextManager[Describer]:
    if name == "openai":
        return behind_an_endpoint()
    if name in FAMILIES:
        if importlib.util.find_spec("torch") is None:
            pytest.skip("needs torch: pip install -e '.[captioner-transformers]'")
        return in_a_worker(checkpoint(name))
    return loaded(engine=name)


@pytest_asyncio.fixture(scope="module", loop_scope="session", params=ENGINES)
async def describer(request: pytest.FixtureRequest, checkpoint: Callable[[str], Path]) -> AsyncIterator[Describer]:
    async with opened(request.param, checkpoint) as one:
        yield one


def clip_of(seed: int = 0, frames: int = 4, *, tokens: int = 24, question: str = "What happens?") -> Clip:
    """Random pictures that drift."""
    noise = np.random.default_rng(seed).integers(0, 255, (96, 96 + 8 * frames, 3), dtype=np.uint8)
    pictures = np.stack([noise[:, 8 * n : 8 * n + 96] for n in range(frames)])
    options = GenerationOptions(max_new_tokens=tokens)
    return Clip(pictures, [n / 2 for n in range(frames)], Prompt("custom", "", question), options)


def test_the_card_says_what_is_served_and_what_it_wants(describer: Describer) -> None:
    card = describer.card
    assert card.engine and card.model and card.description
    assert 1 <= card.default_frames <= card.max_frames
    assert card.frame_short_side_pixels > 0 and card.max_new_tokens > 0 and card.max_batch_clips > 0


async def test_pieces_join_to_a_text_without_space_around_it(describer: Describer) -> None:
    pieces: list[str] = []
    described = await describer.submit(clip_of(), within_seconds=60, on_text=pieces.append)
    text = described.caption.text
    assert text and text == text.strip() == "".join(pieces)
    assert described.generate_seconds > 0 and described.queue_seconds >= 0


async def test_the_same_clip_gets_the_same_text_alone_and_in_company(describer: Describer) -> None:
    alone = (await describer.submit(clip_of(3), within_seconds=60)).caption.text
    company = [describer.submit(clip_of(seed, 2 + seed % 3), within_seconds=60) for seed in range(8)]
    first, *_ = await asyncio.gather(describer.submit(clip_of(3), within_seconds=60), *company)
    assert first.caption.text == alone


async def test_every_clip_gets_its_own_answer(describer: Describer) -> None:
    one_by_one = [(await describer.submit(clip_of(seed), within_seconds=60)).caption.text for seed in range(4)]
    together = await asyncio.gather(*(describer.submit(clip_of(seed), within_seconds=60) for seed in range(4)))
    assert [described.caption.text for described in together] == one_by_one


async def test_one_frame_is_a_clip(describer: Describer) -> None:
    assert (await describer.submit(clip_of(frames=1), within_seconds=60)).caption.text


async def test_leaving_early_takes_nothing_from_the_others(describer: Describer) -> None:
    leaving = [asyncio.create_task(describer.submit(clip_of(seed), within_seconds=60)) for seed in range(12)]
    await asyncio.sleep(0)
    for task in leaving[::2]:
        task.cancel()
    outcomes = await asyncio.gather(*leaving, return_exceptions=True)
    assert all(isinstance(outcome, asyncio.CancelledError) for outcome in outcomes[::2])
    assert not any(isinstance(outcome, BaseException) for outcome in outcomes[1::2])
    assert (await describer.submit(clip_of(), within_seconds=60)).caption.text


async def test_without_torch_the_start_says_what_to_install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "torch.py").write_text("raise ModuleNotFoundError('No module named torch', name='torch')")
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    describer = open_describer(CaptionerSettings(engine="transformers"))
    async with describer.alive():
        with pytest.raises(ValueError, match=r"pip install 'vidtomusictags\[captioner-transformers\]'"):
            await describer.load()


def test_an_unknown_engine_stops_the_start_with_the_names_that_exist() -> None:
    with pytest.raises(ValueError, match="embedded, instant, openai, transformers"):
        open_describer(CaptionerSettings(engine="magic"))

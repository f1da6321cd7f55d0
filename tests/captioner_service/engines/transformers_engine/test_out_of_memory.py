"""Short of memory, a step is tried again, then the youngest waits, then there are fewer slots, then a new process."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest

pytest.importorskip("torch", reason="needs torch: pip install -e '.[captioner-transformers]'")

import torch
from slot_requests import Heard, generated_alone, generation_of, mixed_clips, noise_clip, run

from captioner_service.worker.generation import Ending
from captioner_service.worker.slot_engine import DeviceLost

OUT_OF_MEMORY: Exception = torch.OutOfMemoryError("CUDA out of memory")


@contextmanager
def failing(engine: Any, wanted: Callable[[int, bool], Exception | None]) -> Iterator[None]:
    """Raises in the middle of the model what `wanted` returns, given the rows at work and whether it is a prefill."""

    def hook(module: Any, args: Any, kwargs: Any) -> None:
        states = args[0] if args else kwargs["hidden_states"]
        error = wanted(states.shape[0], states.shape[1] > 1)
        if error is not None:
            raise error

    layers = engine.model.get_decoder().layers
    handle = layers[1].register_forward_pre_hook(hook, with_kwargs=True)
    try:
        yield
    finally:
        handle.remove()


def once(error: Exception, *, prefill: bool) -> Callable[[int, bool], Exception | None]:
    left = [error]
    return lambda rows, is_prefill: left.pop() if left and is_prefill is prefill and (prefill or rows > 2) else None


@pytest.mark.parametrize(
    "error",
    [torch.OutOfMemoryError("CUDA out of memory"), RuntimeError("DefaultCPUAllocator: can't allocate memory")],
    ids=["cuda", "cpu"],
)
@pytest.mark.parametrize("prefill", [True, False], ids=["prefill", "step"])
def test_what_failed_once_is_run_again_and_the_texts_are_the_same(engine: Any, error: Exception, prefill: bool) -> None:
    clips = mixed_clips()
    expected = [generated_alone(engine, clip) for clip in clips]
    generations = [generation_of(engine, clip, number) for number, clip in enumerate(clips)]
    with failing(engine, once(error, prefill=prefill)):
        run(engine, generations)
    assert [generation.tokens for generation in generations] == expected
    assert engine.free == 4


def test_the_youngest_gives_up_its_slot_and_goes_on_where_it_was(engine: Any) -> None:
    clips = mixed_clips()
    expected = [generated_alone(engine, clip) for clip in clips]
    heard = Heard()
    generations = [generation_of(engine, clip, number, heard=heard) for number, clip in enumerate(clips)]

    def more_than_two(rows: int, prefill: bool) -> Exception | None:
        return OUT_OF_MEMORY if rows > 2 else None

    with failing(engine, more_than_two):
        run(engine, generations)
    assert [generation.tokens for generation in generations] == expected
    assert [heard.text(generation) for generation in generations] == [g.text.text for g in generations]
    assert engine.free == 2, "two slots are what there is room for"


def test_a_prefill_without_room_waits_until_others_have_left(engine: Any) -> None:
    clips = mixed_clips()
    expected = [generated_alone(engine, clip) for clip in clips]
    generations = [generation_of(engine, clip, number) for number, clip in enumerate(clips)]

    def beside_two(rows: int, prefill: bool) -> Exception | None:
        return OUT_OF_MEMORY if prefill and len(engine.live) >= 2 else None

    with failing(engine, beside_two):
        run(engine, generations)
    assert [generation.tokens for generation in generations] == expected


def test_a_clip_that_does_not_fit_alone_is_told_so_and_the_third_ends_the_process(engine: Any) -> None:
    def always(rows: int, prefill: bool) -> Exception | None:
        return OUT_OF_MEMORY

    with failing(engine, always):
        for number in range(2):
            generation = generation_of(engine, noise_clip(), number)
            assert engine.admit(generation)
            assert generation.ending is Ending.OUT_OF_MEMORY
        with pytest.raises(DeviceLost):
            engine.admit(generation_of(engine, noise_clip(), 3))


@pytest.mark.parametrize("prefill", [True, False], ids=["prefill", "step"])
def test_a_fault_of_the_device_ends_the_process(engine: Any, prefill: bool) -> None:
    fault = torch.AcceleratorError("CUDA error: an illegal memory access was encountered", 700)
    generations = [generation_of(engine, clip, number) for number, clip in enumerate(mixed_clips())]
    with failing(engine, once(fault, prefill=prefill)), pytest.raises(DeviceLost):
        run(engine, generations)


def test_a_fault_of_one_prefill_fails_that_clip_alone(engine: Any) -> None:
    clips = mixed_clips()[:3]
    generations = [generation_of(engine, clip, number) for number, clip in enumerate(clips)]
    with failing(engine, once(ValueError("a fault of this clip"), prefill=True)):
        run(engine, generations)
    assert generations[0].ending is Ending.FAILED
    assert [g.tokens for g in generations[1:]] == [generated_alone(engine, clip) for clip in clips[1:]]

"""A clip leaves its slot when it has ended, is cancelled, is late, or reaches a stop; the others do not notice."""

from __future__ import annotations

import time
from typing import Any

import pytest

pytest.importorskip("torch", reason="needs torch: pip install -e '.[captioner-transformers]'")

from slot_requests import Heard, generated_alone, generation_of, noise_clip, run

from captioner_service.worker.generation import Ending
from captioner_service.worker.slot_engine import Unfit


def admitted(engine: Any, count: int, **options: Any) -> list[Any]:
    clips = [noise_clip(4, seed=n, max_new_tokens=40, **options) for n in range(count)]
    generations = [generation_of(engine, clip, number) for number, clip in enumerate(clips)]
    for generation in generations:
        assert engine.admit(generation)
    return generations


def test_cancelling_frees_the_slot_at_the_next_step_and_changes_no_other_text(engine: Any) -> None:
    generations = admitted(engine, 4)
    for _ in range(5):
        engine.step()
    generations[1].cancelled = True
    engine.step()
    assert (generations[1].ending, engine.free) == (Ending.CANCELLED, 1)
    run(engine, [])
    for number in (0, 2, 3):
        assert generations[number].tokens == generated_alone(engine, noise_clip(4, seed=number, max_new_tokens=40))


def test_a_late_clip_leaves_at_the_next_step(engine: Any) -> None:
    generations = admitted(engine, 2)
    generations[0].ends_at = time.monotonic()
    engine.step()
    assert (generations[0].ending, engine.free) == (Ending.EXPIRED, 3)


def test_text_ends_before_a_stop_and_no_part_of_it_is_told(engine: Any) -> None:
    whole = generation_of(engine, noise_clip(4, max_new_tokens=40))
    run(engine, [whole])
    stop = whole.text.text[12:16]
    heard = Heard()
    stopped = generation_of(engine, noise_clip(4, max_new_tokens=40, stop=(stop,)), heard=heard)
    run(engine, [stopped])
    assert stopped.ending is Ending.STOP
    assert heard.text(stopped) == stopped.text.text == whole.text.text[: whole.text.text.index(stop)].rstrip()
    assert len(stopped.tokens) < len(whole.tokens)


def test_an_end_token_ends_the_text_and_is_no_part_of_it(engine: Any) -> None:
    clip = noise_clip(4, max_new_tokens=40)
    tokens = generated_alone(engine, clip)
    engine._slots._end_tokens = frozenset([tokens[10]])
    generation = generation_of(engine, clip)
    run(engine, [generation])
    assert generation.ending is Ending.STOP
    assert generation.text.text == engine.decode(tokens[: tokens.index(tokens[10])]).strip()


def test_more_tokens_than_a_request_may_have_are_refused_before_any_work(engine: Any) -> None:
    with pytest.raises(Unfit, match="send fewer frames") as caught:
        engine.prepare(noise_clip(64, max_new_tokens=800))
    assert caught.value.field == "generation.max_new_tokens"


def test_the_card_tells_what_fits(load_engine: Any) -> None:
    engine = load_engine("llava_next_video", context_tokens=700, max_new_tokens=128)
    room = engine.prepare(noise_clip(engine._sizes.max_frames, max_new_tokens=128))[1]
    assert room + 128 <= 700

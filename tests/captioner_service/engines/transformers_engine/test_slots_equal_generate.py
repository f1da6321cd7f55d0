"""Clips that join and leave get, token for token, what the library's own `generate` gives them alone."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

pytest.importorskip("torch", reason="needs torch: pip install -e '.[captioner-transformers]'")

import torch
from slot_requests import QUESTIONS, generated_alone, generation_of, mixed_clips, noise_clip, run

FAMILIES = ["llava_next_video", "llava_onevision", "smolvlm", "qwen2_5_vl", "qwen3_vl", "video_llava", "internvl"]


@pytest.fixture(scope="module", params=FAMILIES)
def family(request: pytest.FixtureRequest, load_engine: Any) -> Any:
    return load_engine(request.param)


@pytest.fixture(scope="module")
def expected(family: Any) -> list[list[int]]:
    return [generated_alone(family, clip) for clip in mixed_clips()]


def test_greedy_text_is_that_of_generate_while_others_join_and_leave(family: Any, expected: Any) -> None:
    generations = [generation_of(family, clip, number) for number, clip in enumerate(mixed_clips())]
    run(family, generations, join_every=3)
    assert [generation.tokens for generation in generations] == expected
    assert max(len(set(tokens)) for tokens in expected) > 10, "texts of one token would prove nothing"


def test_wrong_positions_would_be_noticed(family: Any, expected: Any) -> None:
    def shift(module: Any, args: Any, kwargs: Any) -> Any:
        if type(kwargs.get("past_key_values")).__name__ == "SlotCache":
            kwargs["position_ids"] = kwargs["position_ids"] + 3
        return args, kwargs

    hook = family.model.register_forward_pre_hook(shift, with_kwargs=True)
    try:
        generations = [generation_of(family, clip, number) for number, clip in enumerate(mixed_clips())]
        run(family, generations, join_every=3)
    finally:
        hook.remove()
    assert sum(g.tokens != tokens for g, tokens in zip(generations, expected, strict=True)) >= 3


def test_blank_frames_would_be_noticed(family: Any, expected: Any) -> None:
    generations = []
    for number, clip in enumerate(mixed_clips()):
        generation = generation_of(family, clip, number)
        tensors = generation.prepared.tensors
        blank = {name: torch.ones_like(tensors[name]) for name in tensors if name.startswith("pixel_values")}
        assert blank
        generation.prepared = replace(generation.prepared, tensors={**tensors, **blank}, clip_digest=b"%d" % number)
        generations.append(generation)
    run(family, generations, join_every=3)
    assert sum(g.tokens != tokens for g, tokens in zip(generations, expected, strict=True)) >= 3


def test_a_seed_gives_the_same_text_alone_and_in_company(family: Any) -> None:
    clip = noise_clip(6, max_new_tokens=30, temperature=0.9, top_p=0.9)
    sampled = replace(clip, options=replace(clip.options, seed=4))
    alone = generation_of(family, sampled, 1)
    run(family, [alone])
    accompanied = generation_of(family, sampled, 5)
    company = [generation_of(family, clip, 10 + n) for n, clip in enumerate(mixed_clips()[:6])]
    run(family, [*company[:3], accompanied, *company[3:]], join_every=2)
    assert accompanied.tokens == alone.tokens
    other = generation_of(family, replace(sampled, options=replace(sampled.options, seed=5)), 7)
    run(family, [other])
    assert other.tokens != alone.tokens


def test_further_questions_on_a_clip_reuse_its_prefill_and_get_the_same_answers(family: Any) -> None:
    clips = [noise_clip(8, question, seed=42, max_new_tokens=20) for question in QUESTIONS]
    generations = [generation_of(family, clip, number) for number, clip in enumerate(clips)]
    run(family, generations, join_every=2)
    assert [generation.tokens for generation in generations] == [generated_alone(family, clip) for clip in clips]
    assert generations[0].reused_tokens == 0
    assert all(generation.reused_tokens > 20 for generation in generations[1:])

"""Compiled steps: the same texts, few shapes, and eager again, with a warning, where it goes wrong."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

pytest.importorskip("torch", reason="needs torch: pip install -e '.[captioner-transformers]'")

import torch
from slot_requests import generated_alone, generation_of, mixed_clips, run
from structlog.testing import capture_logs

from captioner_service.engines.transformers.decode_step import DecodeStep
from captioner_service.engines.transformers.slot_cache import SlotCache

FAMILIES = ["llava_next_video", "llava_onevision", "qwen3_vl"]
"""The default, one whose heads share keys, and one whose positions have four parts; tracing takes seconds for each."""


@pytest.fixture
def traced(monkeypatch: pytest.MonkeyPatch) -> list[tuple[int, int]]:
    """torch.compile without its code generator, which takes minutes; notes rows and positions of what it runs."""
    compile, ran = torch.compile, []

    def traced_compile(function: Callable[..., Any], **_: Any) -> Callable[..., Any]:
        compiled = compile(function, backend="eager")

        def call(ids: torch.Tensor, mask: torch.Tensor, position_ids: torch.Tensor) -> Any:
            ran.append((ids.shape[0], mask.shape[3]))
            return compiled(ids, mask, position_ids)

        return call

    torch._dynamo.reset()
    monkeypatch.setattr(torch, "compile", traced_compile)
    return ran


@pytest.mark.parametrize("family", FAMILIES)
def test_texts_of_compiled_steps_are_those_of_generate(
    family: str, load_engine: Any, traced: list[tuple[int, int]]
) -> None:
    engine = load_engine(family, decoding="compiled")
    engine.canary()
    warmed, compilations = len(traced), _compilations()
    assert set(traced) == set(engine._slots._decode.shapes()), "every shape was run before the first clip"
    clips = mixed_clips()[:6]
    generations = [generation_of(engine, clip, number) for number, clip in enumerate(clips)]
    run(engine, generations, join_every=3)
    assert [generation.tokens for generation in generations] == [generated_alone(engine, clip) for clip in clips]
    assert len(traced) > warmed, "steps were compiled"
    assert {rows for rows, _ in traced} == {2, 4}
    assert _compilations() == compilations, "no clip waits for a compiler"


def test_a_step_that_cannot_be_compiled_is_eager_and_says_so(load_engine: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(function: Callable[..., Any], **_: Any) -> Callable[..., Any]:
        def call(*_: Any) -> Any:
            raise torch._dynamo.exc.TorchDynamoException("no compiler here")

        return call

    monkeypatch.setattr(torch, "compile", broken)
    engine = load_engine("llava_next_video", decoding="compiled")
    with capture_logs() as logs:
        canary = engine.canary()
    assert [entry["event"] for entry in logs] == ["step cannot be compiled, goes on eager", "warm"]
    assert logs[1]["decoding"] == "eager"
    assert list(canary) == list(load_engine("llava_next_video").canary())


def test_a_compiled_step_that_says_something_else_is_not_used(
    load_engine: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(torch, "compile", lambda function, **_: lambda *inputs: function(*inputs) * 1.1)
    engine = load_engine("llava_next_video", decoding="compiled")
    with capture_logs() as logs:
        canary = engine.canary()
    assert [entry["event"] for entry in logs] == ["compiled step differs from eager one, goes on eager", "warm"]
    assert list(canary) == list(load_engine("llava_next_video").canary())


def test_out_of_memory_while_compiling_is_no_reason_to_go_on_eager(
    load_engine: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: Any) -> Any:
        raise torch.OutOfMemoryError("CUDA out of memory")

    monkeypatch.setattr(torch, "compile", lambda function, **_: full)
    engine = load_engine("llava_next_video", decoding="compiled")
    with pytest.raises(torch.OutOfMemoryError):
        engine.canary()


def test_shapes_are_few_and_hold_every_number_of_rows_and_tokens(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch, "compile", lambda function, **_: function)
    layer = torch.zeros(1, 1, 1, 1)
    cache = SlotCache([(layer, layer)], slots=24, length=2048)
    model = torch.nn.Linear(1, 1)
    model.device = torch.device("cpu")  # type: ignore[assignment]
    step = DecodeStep(model, cache, decoding="compiled")
    shapes = set(step.shapes())
    assert {rows for rows, _ in shapes} == {2, 4, 8, 16, 24}
    assert {visible for _, visible in shapes} == set(range(256, 2049, 256))
    for live in range(1, 25):
        for tokens in range(1, 2049):
            rows, visible = step.shape(live=live, tokens=tokens)
            assert rows >= live and visible >= tokens and (rows, visible) in shapes


def _compilations() -> int:
    return int(torch._dynamo.utils.counters["stats"]["unique_graphs"])

"""The floor that the throughput benchmark prints, held to sizes that are known, without a card or its memory."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("torch", reason="needs torch: pip install -e '.[captioner-transformers]'")

import torch

sys.path.insert(0, str(Path(__file__).parents[4] / "benchmarks"))  # scripts, no package

GIB = 2**30


@pytest.fixture(scope="module")
def full_size() -> Any:
    """LLaVA-NeXT-Video-7B without a byte of weights."""
    import captioner_service.engines.transformers.torchvision_shim as shim

    shim.declare_missing_operators()
    import captioning_models
    import transformers

    config = captioning_models.full_size_config(captioning_models.full_size_processor())
    with torch.device("meta"):
        return transformers.LlavaNextVideoForConditionalGeneration(config).to(torch.bfloat16)


def test_the_full_size_model_has_the_size_of_the_one_on_the_hub(full_size: Any) -> None:
    parameters = sum(parameter.numel() for parameter in full_size.parameters())
    assert parameters == pytest.approx(7.063e9, rel=1e-3)


def test_a_step_reads_the_language_model_and_its_head_and_not_the_table_of_words(full_size: Any) -> None:
    from captioning_floor import cache_bytes_per_token, weight_bytes

    layers = 32 * (4 * 4096 * 4096 + 3 * 4096 * 11008 + 2 * 4096)
    assert weight_bytes(full_size) == 2 * (layers + 4096 + 32064 * 4096)
    assert cache_bytes_per_token(full_size) == 512 * 1024


def test_a_head_that_is_the_table_of_words_is_read(checkpoints: Path, load_engine: Any) -> None:
    from captioning_floor import weight_bytes

    model = load_engine("llava_onevision").model
    before, words = weight_bytes(model), model.get_decoder().get_input_embeddings().weight
    model.get_output_embeddings().weight = words
    assert weight_bytes(model) == before


def test_a_step_looks_at_each_prompt_and_what_was_written_so_far() -> None:
    from captioning_floor import mean_cached_tokens

    # 10 + 1, 10 + 2 for the first; 20 + 1 for the second, beside the first of these.
    assert mean_cached_tokens([10, 20], [3, 2], steps=2) == (11 + 12 + 21) / 2
    assert mean_cached_tokens([7], [1], steps=1) == 0, "the first token is the prefill's"


def test_the_floor_is_bytes_over_bandwidth() -> None:
    from captioning_floor import floor_seconds

    # 8 requests of 1152 + 40 + 128 tokens on an H100, as docs/models.md counts them: about 5.6 ms.
    seconds = floor_seconds(
        weights=2 * 6_628_000_000, cached_tokens=8 * 1320, bytes_per_token=512 * 1024, bytes_per_second=3.35e12
    )
    assert seconds == pytest.approx(5.6e-3, rel=0.02)


@pytest.mark.parametrize(
    ("card", "stated"),
    [
        ("NVIDIA H100 80GB HBM3", 3.35e12),
        ("NVIDIA H100 PCIe", 2.0e12),
        ("NVIDIA L40S", 0.864e12),
        ("NVIDIA L4", 0.3e12),
        ("NVIDIA A100-SXM4-40GB", 1.555e12),
        ("A card of tomorrow", None),
    ],
)
def test_cards_are_told_apart_by_their_whole_names(card: str, stated: float | None) -> None:
    from captioning_floor import stated_bandwidth

    assert stated_bandwidth(card) == stated


def test_bandwidth_is_measured_on_whatever_device_there_is() -> None:
    from captioning_floor import measured_bandwidth

    assert 1e8 < measured_bandwidth(torch.device("cpu"), mebibytes=16, times=2) < 1e13

"""How fast a decode step could be: what it must read from memory, over how fast the memory is."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from typing import Any

import torch

CARDS = {
    "A10": 0.600e12,
    "A100-SXM4-40GB": 1.555e12,
    "A100-SXM4-80GB": 2.039e12,
    "H100 80GB HBM3": 3.35e12,
    "H100 PCIe": 2.0e12,
    "H200": 4.8e12,
    "L4": 0.300e12,
    "L40S": 0.864e12,
    "T4": 0.320e12,
}
"""Bytes a second as NVIDIA's data sheets state them, by a part of the name that the driver gives."""


def stated_bandwidth(card: str) -> float | None:
    """Of the card with that name; None for one that is not listed. The longest name that fits is the one meant."""
    fitting = [name for name in CARDS if name in card]
    return CARDS[max(fitting, key=len)] if fitting else None


def measured_bandwidth(device: torch.device, *, mebibytes: int = 2048, times: int = 5) -> float:
    """Bytes a second that memory is read and written at, by copying so much so many times."""
    source = torch.zeros(mebibytes << 20, dtype=torch.uint8, device=device)
    target = torch.empty_like(source)
    seconds = _seconds(device, lambda: target.copy_(source), times)
    return times * 2 * source.numel() / seconds


def _seconds(device: torch.device, call: Callable[[], object], times: int) -> float:
    call()
    if device.type != "cuda":
        began = time.process_time()  # others may run beside us
        for _ in range(times):
            call()
        return time.process_time() - began
    begin, end = torch.cuda.Event(enable_timing=True), torch.cuda.Event(enable_timing=True)
    begin.record()
    for _ in range(times):
        call()
    end.record()
    torch.cuda.synchronize(device)
    return float(begin.elapsed_time(end)) / 1000


def weight_bytes(model: Any) -> int:
    """Weights that a decode step reads: layers and head of the language model, of the table of words but a few rows.

    Works on the meta device, too.
    """
    decoder, head = model.get_decoder(), model.get_output_embeddings()
    words = decoder.get_input_embeddings()
    counted = {id(p): p for part in (decoder, head) for p in part.parameters()}
    if head.weight is not words.weight:
        counted.pop(id(words.weight), None)
    return sum(p.numel() * p.element_size() for p in counted.values())


def cache_bytes_per_token(model: Any, dtype: torch.dtype | None = None) -> int:
    """Keys and values of one token over all layers, by the configuration."""
    text = model.config.get_text_config()
    width = getattr(text, "head_dim", None) or text.hidden_size // text.num_attention_heads
    size = (dtype or model.dtype).itemsize
    return int(2 * text.num_hidden_layers * text.num_key_value_heads * width * size)


def floor_seconds(*, weights: int, cached_tokens: float, bytes_per_token: int, bytes_per_second: float) -> float:
    """Of one step that reads all weights once and the cache of so many tokens, of all rows together, once."""
    return (weights + cached_tokens * bytes_per_token) / bytes_per_second


def mean_cached_tokens(prompts: Sequence[int], lengths: Sequence[int], steps: int) -> float:
    """Tokens that a step looks at, of all live rows together, in the mean over so many steps.

    A text of n tokens takes n - 1 steps, the first token being the prefill's; the k-th of them looks at prompt + k.
    """
    looked_at = sum((n - 1) * prompt + n * (n - 1) / 2 for prompt, n in zip(prompts, lengths, strict=True))
    return looked_at / steps

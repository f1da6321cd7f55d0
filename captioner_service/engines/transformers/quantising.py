"""Which weights are stored in fewer bits, and the proof that just those are."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import nn
from transformers import AutoModelForImageTextToText, BitsAndBytesConfig

ROOM_FOR_BATCHES = 2.0
"""A card that holds the weights in 16 bits this many times over has room for batches beside them, and is faster so.

LLaVA-NeXT-Video-7B needs 13.2 GiB in 16 bits; a 24 GB card then has room for 8 requests, with NF4 for 21.
"""


def choose(wanted: str, *, device: torch.device, sixteen_bit_bytes: int, card_bytes: int) -> str:
    """`none`, `nf4`, `int8` or `prototype` for what was wanted; `auto` decides by the card's memory.

    sixteen_bit_bytes: size of all weights in 16 bits. card_bytes: all memory of the card; not looked at on a CPU.
    """
    if wanted != "auto":
        return wanted
    roomy = device.type != "cuda" or card_bytes >= ROOM_FOR_BATCHES * sixteen_bit_bytes
    return "none" if roomy else "nf4"


def config_for(quantisation: str, *, compute: torch.dtype, kept_whole: Sequence[str]) -> BitsAndBytesConfig | None:
    """What from_pretrained is told. kept_whole: names of modules from the root; elsewhere they match nothing."""
    if quantisation == "none":
        return None
    if quantisation == "prototype":  # FP4 everywhere, the image encoder included: what load_in_4bit alone means
        return BitsAndBytesConfig(load_in_4bit=True)
    if quantisation == "int8":
        return BitsAndBytesConfig(load_in_8bit=True, llm_int8_skip_modules=list(kept_whole))
    return BitsAndBytesConfig(
        load_in_4bit=True,
        bnb_4bit_quant_type="nf4",
        bnb_4bit_use_double_quant=True,
        bnb_4bit_compute_dtype=compute,
        llm_int8_skip_modules=list(kept_whole),
    )


def kept_whole(config: Any) -> list[str]:
    """Names of all modules beside the language model's layers: encoder, projector, head. Takes no memory."""
    with torch.device("meta"):
        model = AutoModelForImageTextToText.from_config(config)
    return _outside_decoder(model)


def check(model: nn.Module, quantisation: str) -> None:
    """Raises RuntimeError unless the language model alone is quantised, as a pattern that misses does so in silence."""
    if quantisation in ("none", "prototype"):
        return
    outside = tuple(_outside_decoder(model))
    wrong = []
    for name, module in model.named_modules():
        if isinstance(module, nn.Linear):
            is_quantised = type(module).__module__.startswith("bitsandbytes")
            is_outside = any(name == top or name.startswith(f"{top}.") for top in outside)
            if is_quantised == is_outside:
                wrong.append(name)
    if wrong:
        raise RuntimeError(f"{quantisation} went wrong in {len(wrong)} modules, the first of them {wrong[0]}")


def _outside_decoder(model: Any) -> list[str]:
    """Names of the topmost modules that neither belong to the language model nor hold it."""
    decoder = model.get_decoder()
    path = next(name for name, module in model.named_modules() if module is decoder)
    holders = {path[:end] for end in range(len(path) + 1) if end in (0, len(path)) or path[end] == "."}
    return [
        name
        for name, _ in model.named_modules()
        if name and name not in holders and name.rpartition(".")[0] in holders - {path}
    ]

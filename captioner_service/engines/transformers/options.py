"""What the transformers engine can be told; plain values that travel to the worker process."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Quantisation = Literal["auto", "none", "nf4", "int8", "prototype"]
Precision = Literal["auto", "float32", "bfloat16", "float16"]
Decoding = Literal["eager", "compiled"]

DEFAULT_MODEL = "llava-hf/LLaVA-NeXT-Video-7B-hf"


@dataclass(frozen=True)
class TransformersOptions:
    """One model and how much of a machine it may take. 0 stands for: measured or taken from the checkpoint at load.

    model: a folder, or an id of the hub, of which `revision` names the commit.
    context_tokens: most tokens of one request, prompt and text together; a slot of the cache is this long.
    reserve_gib: memory of the card left free beside model and slots, for what a step needs.
    prefix_clips: clips whose prefill is kept for further questions on them.
    """

    model: str = DEFAULT_MODEL
    revision: str = ""
    offline: bool = False
    quantisation: Quantisation = "auto"
    precision: Precision = "auto"
    device: str = "auto"
    max_slots: int = 32
    context_tokens: int = 2048
    max_new_tokens: int = 512
    default_frames: int = 8
    max_frames: int = 64
    frame_short_side_pixels: int = 0
    prefix_clips: int = 1
    reserve_gib: float = 1.5
    threads: int = 0
    decoding: Decoding = "eager"

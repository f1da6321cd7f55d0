"""Random models for the captioning benchmark: a small one for a CPU, LLaVA-NeXT-Video-7B at full size for a card."""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path
from typing import Any

import torch
import transformers

ROOT = Path(__file__).resolve().parent.parent
# The tests build the same checkpoints; that code is not worth having twice.
sys.path.insert(0, str(ROOT / "tests/captioner_service/engines/transformers_engine"))

from tiny_checkpoints import llava_next_video  # noqa: E402

from captioner_service.engines.transformers.loading import load_processor  # noqa: E402


def small_model() -> tuple[Any, Any]:
    """Four layers of width 256, fp32, on the CPU, and its processor: 8 frames are 32 tokens."""
    with tempfile.TemporaryDirectory() as folder:
        llava_next_video(Path(folder), layers=4, hidden=256)
        model = transformers.AutoModelForImageTextToText.from_pretrained(folder, dtype=torch.float32).eval()
        return model, load_processor(Path(folder))


SHAPE_TEXT = {"hidden_size": 256, "intermediate_size": 512, "num_hidden_layers": 2, "num_attention_heads": 4}
SHAPE_TEXT["num_key_value_heads"] = SHAPE_TEXT["num_attention_heads"]
SHAPE_VISION = {"hidden_size": 64, "intermediate_size": 128, "num_hidden_layers": 2, "num_attention_heads": 2}
"""Of a model that goes the way of the full-size one, frames of 336 pixels and all, on a CPU."""


def full_size_config(processor: Any, *, shape: bool = False) -> Any:
    """LLaVA-NeXT-Video-7B as its public configuration has it. shape: few and narrow layers instead."""
    tokenizer = processor.tokenizer
    return transformers.LlavaNextVideoConfig(
        text_config=transformers.LlamaConfig(
            **{
                "vocab_size": 32064,
                "hidden_size": 4096,
                "intermediate_size": 11008,
                "num_hidden_layers": 32,
                "num_attention_heads": 32,
                "num_key_value_heads": 32,
                "max_position_embeddings": 4096,
                **(SHAPE_TEXT if shape else {}),
            }
        ),
        vision_config=transformers.CLIPVisionConfig(
            **{
                "hidden_size": 1024,
                "intermediate_size": 4096,
                "num_hidden_layers": 24,
                "num_attention_heads": 16,
                "image_size": 336,
                "patch_size": 14,
                "projection_dim": 768,
                "vocab_size": 32000,
                **(SHAPE_VISION if shape else {}),
            }
        ),
        image_token_index=tokenizer.convert_tokens_to_ids("<image>"),
        video_token_index=tokenizer.convert_tokens_to_ids("<video>"),
    )


def full_size_processor() -> Any:
    """Frames of 336 pixels: 8 of them are 1152 tokens."""
    with tempfile.TemporaryDirectory() as folder:
        llava_next_video(Path(folder))
        processor = load_processor(Path(folder))
    processor.video_processor.size = {"shortest_edge": 336}
    processor.video_processor.crop_size = {"height": 336, "width": 336}
    return processor


def full_size_model(device: torch.device, *, shape: bool = False) -> tuple[Any, Any]:
    """7.06 billion random weights in bf16, made on the device itself and nowhere else, and their processor.

    How long a step takes does not depend on what the weights are. shape: see `full_size_config`.
    """
    processor = full_size_processor()
    config = full_size_config(processor, shape=shape)
    with torch.device("meta"):
        model = transformers.LlavaNextVideoForConditionalGeneration(config).to(torch.bfloat16)
    model = model.to_empty(device=device).eval()
    generator = torch.Generator(device).manual_seed(0)
    with torch.no_grad():
        for tensor in [*model.parameters(), *model.buffers()]:
            if tensor.is_floating_point():
                tensor.normal_(0, 0.02, generator=generator)
    # Position tables are buffers that are computed, not loaded.
    _recompute_positions(model, config, device)
    model.generation_config.eos_token_id = processor.tokenizer.eos_token_id
    model.generation_config.pad_token_id = processor.tokenizer.pad_token_id
    return model, processor


def _recompute_positions(model: Any, config: Any, device: torch.device) -> None:
    rotary = type(model.model.language_model.rotary_emb)(config.text_config).to(device)
    model.model.language_model.rotary_emb = rotary
    for module in model.modules():
        ids = getattr(module, "position_ids", None)
        if torch.is_tensor(ids):
            module.position_ids = torch.arange(ids.shape[-1], device=device)[None]

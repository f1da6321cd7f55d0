"""Builds small random checkpoints of seven families of video models, each complete with its processor.

Weights are scaled up: with the usual scale greedy text is one token over and over, and equal outputs prove nothing.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
import transformers as hf
from tiny_tokenizers import (
    LLAVA_TEMPLATE,
    SMOLVLM_TEMPLATE,
    byte_level_tokenizer,
    chatml_template,
    llama_tokenizer,
)

QWEN_TOKENS = ["<|vision_start|>", "<|vision_end|>", "<|vision_pad|>", "<|image_pad|>", "<|video_pad|>"]
QWEN_IMAGE = "<|vision_start|><|image_pad|><|vision_end|>"
QWEN_VIDEO = "<|vision_start|><|video_pad|><|vision_end|>"


def text_size(tokenizer: Any, *, layers: int = 2, hidden: int = 64) -> dict[str, Any]:
    """Sizes of a language model. NF4 on a CPU needs every input width to be a multiple of 64."""
    return {
        "vocab_size": len(tokenizer),
        "hidden_size": hidden,
        "intermediate_size": 2 * hidden,
        "num_hidden_layers": layers,
        "num_attention_heads": 4,
        "num_key_value_heads": 2,
        "max_position_embeddings": 4096,
    }


def vision_size(hidden: int = 32, **other: Any) -> dict[str, Any]:
    """Sizes of an image encoder."""
    return {
        "hidden_size": hidden,
        "intermediate_size": 2 * hidden,
        "num_hidden_layers": 2,
        "num_attention_heads": 2,
        **other,
    }


def randomise(model: Any, tokenizer: Any, inner_scale: float = 0.12) -> Any:
    """Fixed random weights, large enough that texts vary; token ids set where generation looks for them."""
    generator = torch.Generator().manual_seed(0)
    for name, parameter in model.named_parameters():
        if parameter.dim() >= 2:
            scale = 0.35 if "embed_tokens" in name or "lm_head" in name else inner_scale
            parameter.data = torch.randn(parameter.shape, generator=generator) * scale
    for config in (model.generation_config, model.config, model.config.get_text_config()):
        config.pad_token_id = tokenizer.pad_token_id
        config.bos_token_id = tokenizer.bos_token_id
        config.eos_token_id = tokenizer.eos_token_id
    return model


def save(folder: Path, model_class: Any, config: Any, processor: Any, inner_scale: float = 0.12) -> None:
    """Writes a folder that loads as one from the hub does."""
    hf.set_seed(0)
    randomise(model_class(config), processor.tokenizer, inner_scale).save_pretrained(folder)
    processor.save_pretrained(folder)


def llava_next_video(folder: Path, *, layers: int = 2, hidden: int = 64) -> None:
    tokenizer = llama_tokenizer(["<video>", "<image>"])
    pinpoints = [[56, 112], [112, 56], [112, 112]]
    config = hf.LlavaNextVideoConfig(
        text_config=hf.LlamaConfig(**text_size(tokenizer, layers=layers, hidden=hidden)),
        vision_config=hf.CLIPVisionConfig(**vision_size(64, image_size=56, patch_size=14, projection_dim=32)),
        image_token_index=tokenizer.convert_tokens_to_ids("<image>"),
        video_token_index=tokenizer.convert_tokens_to_ids("<video>"),
        image_grid_pinpoints=pinpoints,
        image_seq_length=16,
        video_seq_length=32,
    )
    sizes: dict[str, Any] = {"size": {"shortest_edge": 56}, "crop_size": {"height": 56, "width": 56}}
    processor = hf.LlavaNextVideoProcessor(
        video_processor=hf.LlavaNextVideoVideoProcessor(**sizes),
        image_processor=hf.LlavaNextImageProcessor(**sizes, image_grid_pinpoints=pinpoints),
        tokenizer=tokenizer,
        chat_template=LLAVA_TEMPLATE,
        patch_size=14,
        vision_feature_select_strategy="default",
        num_additional_image_tokens=1,
    )
    save(folder, hf.LlavaNextVideoForConditionalGeneration, config, processor)


def video_llava(folder: Path) -> None:
    tokenizer = llama_tokenizer(["<video>", "<image>"])
    config = hf.VideoLlavaConfig(
        text_config=hf.LlamaConfig(**text_size(tokenizer)),
        vision_config=hf.CLIPVisionConfig(**vision_size(image_size=28, patch_size=14, projection_dim=32)),
        image_token_index=tokenizer.convert_tokens_to_ids("<image>"),
        video_token_index=tokenizer.convert_tokens_to_ids("<video>"),
        image_seq_length=4,
        video_seq_length=40,
    )
    sizes: dict[str, Any] = {"size": {"shortest_edge": 28}, "crop_size": {"height": 28, "width": 28}}
    processor = hf.VideoLlavaProcessor(
        image_processor=hf.VideoLlavaImageProcessor(**sizes),
        video_processor=hf.VideoLlavaVideoProcessor(**sizes),
        tokenizer=tokenizer,
        patch_size=14,
        vision_feature_select_strategy="default",
        num_additional_image_tokens=1,
        chat_template=LLAVA_TEMPLATE,
    )
    save(folder, hf.VideoLlavaForConditionalGeneration, config, processor)


def smolvlm(folder: Path) -> None:
    extra = ["<image>", "<fake_token_around_image>", "<global-img>", "<end_of_utterance>"]
    extra += [f"<row_{row}_col_{column}>" for row in (1, 2) for column in (1, 2)]
    names = ("image_token", "fake_image_token", "global_image_token", "end_of_utterance_token")
    tokenizer = byte_level_tokenizer(extra, extra_special_tokens=dict(zip(names, extra[:4], strict=True)))
    config = hf.SmolVLMConfig(
        text_config=hf.LlamaConfig(**text_size(tokenizer)),
        vision_config=hf.SmolVLMVisionConfig(**vision_size(image_size=64, patch_size=16)),
        image_token_id=tokenizer.convert_tokens_to_ids("<image>"),
        scale_factor=2,
        pad_token_id=tokenizer.pad_token_id,
    )
    edge = {"longest_edge": 64}
    processor = hf.SmolVLMProcessor(
        image_processor=hf.SmolVLMImageProcessor(
            size={"longest_edge": 128}, max_image_size=edge, do_image_splitting=False
        ),
        video_processor=hf.SmolVLMVideoProcessor(
            size=edge,
            max_image_size=edge,
            fps=1,
            num_frames=64,
            video_sampling={"fps": 1, "max_frames": 64, "video_size": edge},
        ),
        tokenizer=tokenizer,
        image_seq_len=4,
        chat_template=SMOLVLM_TEMPLATE,
    )
    save(folder, hf.SmolVLMForConditionalGeneration, config, processor)


def llava_onevision(folder: Path) -> None:
    tokenizer = byte_level_tokenizer(["<image>", "<video>"])
    pinpoints = [[56, 56], [56, 112], [112, 56], [112, 112]]
    config = hf.LlavaOnevisionConfig(
        text_config=hf.Qwen2Config(**text_size(tokenizer)),
        vision_config=hf.SiglipVisionConfig(**vision_size(image_size=56, patch_size=14, vision_use_head=False)),
        image_token_index=tokenizer.convert_tokens_to_ids("<image>"),
        video_token_index=tokenizer.convert_tokens_to_ids("<video>"),
        image_grid_pinpoints=pinpoints,
        vision_feature_layer=-1,
        vision_feature_select_strategy="full",
    )
    size = {"height": 56, "width": 56}
    processor = hf.LlavaOnevisionProcessor(
        image_processor=hf.LlavaOnevisionImageProcessor(size=size, image_grid_pinpoints=pinpoints),
        video_processor=hf.LlavaOnevisionVideoProcessor(size=size),
        tokenizer=tokenizer,
        num_image_tokens=16,
        vision_feature_select_strategy="full",
        chat_template=chatml_template("<image>\n", "<video>\n"),
    )
    save(folder, hf.LlavaOnevisionForConditionalGeneration, config, processor)


def internvl(folder: Path) -> None:
    extra = ["<img>", "</img>", "<IMG_CONTEXT>", "<video>"]
    names = ("start_image_token", "end_image_token", "context_image_token", "video_token")
    tokenizer = byte_level_tokenizer(extra, extra_special_tokens=dict(zip(names, extra, strict=True)))
    config = hf.InternVLConfig(
        text_config=hf.Qwen2Config(**text_size(tokenizer)),
        vision_config=vision_size(image_size=[56, 56], patch_size=[14, 14]),
        image_token_id=tokenizer.convert_tokens_to_ids("<IMG_CONTEXT>"),
        image_seq_length=4,
        downsample_ratio=0.5,
    )
    size = {"height": 56, "width": 56}
    processor = hf.InternVLProcessor(
        image_processor=hf.GotOcr2ImageProcessor(size=size, crop_to_patches=False),
        video_processor=hf.InternVLVideoProcessor(size=size),
        tokenizer=tokenizer,
        image_seq_length=4,
        chat_template=chatml_template("<IMG_CONTEXT>\n", "<video>\n"),
    )
    save(folder, hf.InternVLForConditionalGeneration, config, processor, inner_scale=0.2)


def _qwen(folder: Path, version: str, patch: int, text: dict[str, Any], vision: dict[str, Any]) -> None:
    tokenizer = byte_level_tokenizer(QWEN_TOKENS)
    ids = tokenizer.convert_tokens_to_ids
    config = getattr(hf, f"{version}Config")(
        text_config={**text_size(tokenizer), **text},
        vision_config={
            "depth": 2,
            "hidden_size": 32,
            "num_heads": 2,
            "intermediate_size": 64,
            "patch_size": patch,
            "spatial_merge_size": 2,
            "temporal_patch_size": 2,
            "out_hidden_size": 64,
            **vision,
        },
        image_token_id=ids("<|image_pad|>"),
        video_token_id=ids("<|video_pad|>"),
        vision_start_token_id=ids("<|vision_start|>"),
        vision_end_token_id=ids("<|vision_end|>"),
    )
    size = {"shortest_edge": (4 * patch) ** 2, "longest_edge": (8 * patch) ** 2}
    if version == "Qwen2_5_VL":
        video: Any = hf.Qwen2VLVideoProcessor(size=size)
    else:
        video = hf.Qwen3VLVideoProcessor(size={**size, "longest_edge": 8 * (8 * patch) ** 2}, patch_size=patch)
    processor = getattr(hf, f"{version}Processor")(
        image_processor=hf.Qwen2VLImageProcessor(size=size, patch_size=patch),
        video_processor=video,
        tokenizer=tokenizer,
        chat_template=chatml_template(QWEN_IMAGE, QWEN_VIDEO),
    )
    save(folder, getattr(hf, f"{version}ForConditionalGeneration"), config, processor)


def qwen2_5_vl(folder: Path) -> None:
    rope = {"rope_type": "default", "mrope_section": [2, 3, 3], "rope_theta": 1e6}
    vision = {"window_size": 56, "fullatt_block_indexes": [1], "tokens_per_second": 2}
    _qwen(folder, "Qwen2_5_VL", 14, {"rope_parameters": rope}, vision)


def qwen3_vl(folder: Path) -> None:
    rope = {"rope_type": "default", "mrope_section": [2, 3, 3], "mrope_interleaved": True, "rope_theta": 5e6}
    vision = {"num_position_embeddings": 64, "deepstack_visual_indexes": [0]}
    _qwen(folder, "Qwen3VL", 16, {"head_dim": 16, "rope_parameters": rope}, vision)


FAMILIES: dict[str, Callable[[Path], None]] = {
    "llava_next_video": llava_next_video,
    "llava_onevision": llava_onevision,
    "smolvlm": smolvlm,
    "qwen2_5_vl": qwen2_5_vl,
    "qwen3_vl": qwen3_vl,
    "video_llava": video_llava,
    "internvl": internvl,
}
"""What builds each family, by name."""

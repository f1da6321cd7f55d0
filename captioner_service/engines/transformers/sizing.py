"""What a model takes and needs, measured at load instead of believed: tokens a frame, bytes a token, frame size."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from captioner_service.clip import Clip, GenerationOptions, Prompt
from captioner_service.engines.transformers.inputs import InputMaker
from captioner_service.engines.transformers.options import TransformersOptions
from captioner_service.engines.transformers.prefill import Prefill

QUESTION_TOKENS = 256
"""Room for the words of a question: 2000 characters of English are about 500 tokens, the packaged ones at most 160."""
LONGEST_SIDE_SETTING = 2048
"""Sizes beyond this in a processor's settings are budgets of pixels, not sides."""
_FALLBACK_SHORT_SIDE = 360


@dataclass(frozen=True)
class ClipSizes:
    """What clips cost. short_side: of frames, in pixels. base_tokens: of a prompt apart from its frames."""

    short_side: int
    tokens_per_frame: float
    base_tokens: float
    context_tokens: int
    max_frames: int


def measure(inputs: InputMaker, processor: Any, model: Any, options: TransformersOptions) -> ClipSizes:
    """Prepares synthetic clips and looks at their size. Raises ValueError where not one frame fits."""
    short_side = options.frame_short_side_pixels or _short_side(processor.video_processor)
    four, eight = (inputs.prepare(synthetic_clip(frames, short_side)).prompt_tokens for frames in (4, 8))
    per_frame = (eight - four) / 4
    base = four - 4 * per_frame
    positions = getattr(model.config.get_text_config(), "max_position_embeddings", options.context_tokens)
    context = min(options.context_tokens, positions)
    room = context - base - QUESTION_TOKENS - min(GenerationOptions().max_new_tokens, options.max_new_tokens)
    max_frames = min(options.max_frames, int(room / per_frame))
    if max_frames < 1:
        raise ValueError(
            f"not one frame of {per_frame:.0f} tokens fits into a context of {context}: raise CAPTIONER_CONTEXT_TOKENS"
        )
    return ClipSizes(short_side, per_frame, base, context, max_frames)


def synthetic_clip(frames: int, short_side: int, *, new_tokens: int = 16) -> Clip:
    """A clip that is the same at every start: drifting gradients, 16 to 9, two frames a second."""
    height, width = short_side, -(-short_side * 16 // 9)
    rows, columns = np.mgrid[0:height, 0:width]
    pictures = [
        np.stack([(rows * 3 + 16 * n) % 256, (columns * 2 + 8 * n) % 256, (rows + columns + 4 * n) % 256], axis=-1)
        for n in range(frames)
    ]
    return Clip(
        np.stack(pictures).astype(np.uint8),
        [n / 2 for n in range(frames)],
        Prompt("synthetic", "1", "What is happening in this video?"),
        GenerationOptions(max_new_tokens=new_tokens),
    )


def bytes_per_token(prefill: Prefill) -> int:
    """Of the cache, over all layers."""
    return sum(
        states.element_size() * states.shape[1] * states.shape[3] for layer in prefill.layers for states in layer
    )


def _short_side(video_processor: Any) -> int:
    """The side that the processor scales frames to; larger frames would only cost time."""
    for setting in (getattr(video_processor, "crop_size", None), getattr(video_processor, "size", None)):
        for name in ("height", "shortest_edge", "longest_edge"):
            side = setting.get(name) if isinstance(setting, Mapping) else getattr(setting, name, None)
            if isinstance(side, int) and side <= LONGEST_SIDE_SETTING:
                return side
    return _FALLBACK_SHORT_SIDE

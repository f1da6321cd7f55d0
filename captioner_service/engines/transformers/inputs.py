"""Clips into a model's tensors, by one path for all families."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from captioner_service.clip import Clip


@dataclass(frozen=True)
class Prepared:
    """A request as its model wants it. tensors: batch of one, on the CPU; `input_ids` is int64, (1, prompt_tokens).

    clip_digest: equal for equal frames at equal times.
    """

    tensors: dict[str, torch.Tensor]
    clip_digest: bytes

    @property
    def token_ids(self) -> list[int]:
        """The prompt, placeholders of the frames included."""
        ids: list[int] = self.tensors["input_ids"][0].tolist()
        return ids

    @property
    def prompt_tokens(self) -> int:
        return int(self.tensors["input_ids"].shape[1])


class InputMaker:
    """Prepares clips with a model's own processor. One thread at a time; not the one that owns the model.

    min_frames: a clip with fewer is filled up with its last frame; Qwen3-VL refuses a single one.
    """

    def __init__(self, processor: Any, *, min_frames: int = 2) -> None:
        self._processor = processor
        self._min_frames = min_frames
        self._tokens = _structural_tokens(processor)

    def prepare(self, clip: Clip) -> Prepared:
        """The prompt and the frames as tensors. Raises ValueError for frames that the processor cannot take."""
        frames, seconds = clip.frames, list(clip.pts_seconds)
        missing = self._min_frames - len(frames)
        if missing > 0:
            frames = np.concatenate([frames, *[frames[-1:]] * missing])
            seconds += seconds[-1:] * missing
        height, width = frames.shape[1:3]
        rate = _frames_per_second(seconds)
        times = [round((second - seconds[0]) * rate) for second in seconds]
        metadata = {
            "total_num_frames": times[-1] + 1,
            "fps": rate,
            "duration": (times[-1] + 1) / rate,
            "frames_indices": times,
            "height": height,
            "width": width,
        }
        tensors = self._processor(
            text=[self._prompt(clip.prompt.text)],
            # Channels first and as a tensor: a frame of 3 pixels in height would otherwise be read as channels first.
            videos=[torch.from_numpy(np.ascontiguousarray(frames.transpose(0, 3, 1, 2)))],
            video_metadata=[metadata],
            do_sample_frames=False,  # Qwen3-VL would drop every second frame
            return_tensors="pt",
        )
        return Prepared(dict(tensors), _digest(clip.frames, clip.pts_seconds))

    def _prompt(self, question: str) -> str:
        content = [{"type": "video"}, {"type": "text", "text": without_tokens(question, self._tokens)}]
        prompt: str = self._processor.apply_chat_template(
            [{"role": "user", "content": content}], add_generation_prompt=True
        )
        return prompt


def without_tokens(text: str, tokens: Sequence[str]) -> str:
    """The text without any of the tokens, nor any that would appear once others are taken out."""
    previous = None
    while text != previous:
        previous = text
        for token in tokens:
            text = text.replace(token, "")
    return text


def _structural_tokens(processor: Any) -> list[str]:
    """Everything that a model reads as structure, the longest first: special and added tokens, and placeholders.

    The placeholder of SmolVLM is none of its tokenizer's tokens.
    """
    tokenizer = processor.tokenizer
    tokens = {*tokenizer.all_special_tokens, *tokenizer.get_added_vocab()}
    tokens |= {str(token) for name in ("video_token", "image_token") if (token := getattr(processor, name, None))}
    return sorted((token for token in tokens if token.strip() and not token.isalnum()), key=len, reverse=True)


def _frames_per_second(seconds: Sequence[float]) -> float:
    """Mean rate of the given frames, which is not the video's; 1 where they span no time."""
    span = seconds[-1] - seconds[0]
    return (len(seconds) - 1) / span if span > 0 else 1.0


def _digest(frames: NDArray[np.uint8], seconds: Sequence[float]) -> bytes:
    digest = hashlib.blake2b(repr((frames.shape, list(seconds))).encode(), digest_size=16)
    digest.update(np.ascontiguousarray(frames).data)
    return digest.digest()

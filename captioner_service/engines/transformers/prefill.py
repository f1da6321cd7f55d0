"""Prompts into keys and values: whole ones by the model's own way, further questions on a known clip by their end."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from transformers import DynamicCache, GenerationConfig

from captioner_service.engines.transformers.inputs import Prepared
from captioner_service.engines.transformers.slot_cache import KeysAndValues

_PLACEHOLDERS = ("image_token_id", "video_token_id", "image_token_index", "video_token_index")


@dataclass(frozen=True)
class Prefill:
    """A prompt that the model has read.

    layers: keys and values of every layer. logits: (vocabulary,), of the first token to come. rope_shift: what Qwen's
    positions add to the count of tokens, because a frame takes fewer positions than tokens. reused: tokens that did
    not have to be read.
    """

    token_ids: Sequence[int]
    layers: Sequence[KeysAndValues]
    logits: torch.Tensor
    rope_shift: int
    reused: int


class Prefiller:
    """Reads prompts, one at a time, on the thread that owns the model.

    kept_clips: how many clips are kept for further questions; each holds the memory of one prefill. The models must
    be causal, so that what stands before a question does not depend on it; all seven families are.
    """

    def __init__(self, model: Any, *, kept_clips: int) -> None:
        self._model = model
        self._kept_clips = kept_clips
        self._known: OrderedDict[bytes, Prefill] = OrderedDict()
        self.has_shifted_positions = hasattr(getattr(model, "model", None), "rope_deltas")
        ids = {getattr(model.config, name, None) for name in _PLACEHOLDERS}
        self._placeholders = frozenset(token for token in ids if isinstance(token, int))
        pad = model.generation_config.pad_token_id
        # A whole configuration of our own: what the checkpoint brings along (temperature, penalties) would mix in.
        self._once = GenerationConfig(
            max_new_tokens=1,
            do_sample=False,
            return_dict_in_generate=True,
            output_logits=True,
            pad_token_id=pad if pad is not None else 0,
            eos_token_id=model.generation_config.eos_token_id,
        )

    def forget(self) -> None:
        """Gives back the memory of all kept clips."""
        self._known.clear()

    def read(self, prepared: Prepared, so_far: Sequence[int] = ()) -> Prefill:
        """Reads a prompt and the tokens already made from it, if any: how a request that lost its slot goes on."""
        with torch.inference_mode():
            return self._read(prepared, so_far)

    def _read(self, prepared: Prepared, so_far: Sequence[int]) -> Prefill:
        token_ids = prepared.token_ids
        known = self._known.get(prepared.clip_digest)
        shared = self._shared(known, token_ids) if known is not None else 0
        if known is not None and shared:
            cache = DynamicCache()
            for number, (keys, values) in enumerate(known.layers):
                cache.update(keys[:, :, :shared], values[:, :, :shared], number)  # copies
            shift = known.rope_shift
            logits = self._read_on(cache, token_ids[shared:], start=shared, shift=shift)
        else:
            cache, logits, shift = self._read_whole(prepared)
        prefill = Prefill(token_ids, _layers(cache), logits, shift, shared)
        self._keep(prepared.clip_digest, prefill)
        if not so_far:
            return prefill
        logits = self._read_on(cache, so_far, start=len(token_ids), shift=shift)
        return Prefill([*token_ids, *so_far], _layers(cache), logits, shift, shared)

    def _read_whole(self, prepared: Prepared) -> tuple[DynamicCache, torch.Tensor, int]:
        """By `generate`, which knows every family's way of putting frames among the words."""
        cache = DynamicCache()
        inputs = {name: tensor.to(self._model.device) for name, tensor in prepared.tensors.items()}
        out = self._model.generate(**inputs, past_key_values=cache, generation_config=self._once)
        shift = int(self._model.model.rope_deltas[0]) if self.has_shifted_positions else 0
        return cache, out.logits[0][0], shift

    def _read_on(self, cache: DynamicCache, ids: Sequence[int], *, start: int, shift: int) -> torch.Tensor:
        device = self._model.device
        positions = torch.arange(start, start + len(ids), device=device)[None]
        if self.has_shifted_positions:
            positions = torch.cat([positions[None], (positions + shift).expand(3, -1, -1)])
        out = self._model(
            input_ids=torch.tensor([list(ids)], device=device),
            attention_mask=torch.ones(1, start + len(ids), dtype=torch.long, device=device),
            position_ids=positions,
            past_key_values=cache,
            use_cache=True,
        )
        logits: torch.Tensor = out.logits[0, -1]
        return logits

    def _shared(self, known: Prefill, token_ids: Sequence[int]) -> int:
        """Tokens that both prompts begin with, where that covers all frames; at least one is left to be read."""
        shared = 0
        for ours, theirs in zip(token_ids[:-1], known.token_ids, strict=False):
            if ours != theirs:
                break
            shared += 1
        return 0 if self._placeholders.intersection(token_ids[shared:]) else shared

    def _keep(self, digest: bytes, prefill: Prefill) -> None:
        if self._kept_clips:
            self._known[digest] = prefill
            self._known.move_to_end(digest)
            while len(self._known) > self._kept_clips:
                self._known.popitem(last=False)


def _layers(cache: DynamicCache) -> list[KeysAndValues]:
    return [(layer.keys, layer.values) for layer in cache.layers]

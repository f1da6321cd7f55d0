"""Requests side by side in one model: they join between steps, get a token each step, leave when they end."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch

from captioner_service.engines.transformers.prefill import Prefill
from captioner_service.engines.transformers.sampling import next_tokens
from captioner_service.engines.transformers.slot_cache import SlotCache
from captioner_service.worker.generation import Generation


class Slots:
    """The slots of one model. Used by the thread that owns it.

    like: any prefill, for the shape of the cache. length: most tokens of a request, prompt and text together.
    visible_step: the cache is looked at in multiples of so many positions, so that shapes repeat.
    """

    def __init__(
        self, model: Any, like: Prefill, *, slots: int, length: int, end_tokens: frozenset[int], visible_step: int = 1
    ) -> None:
        self._model = model
        self._cache = SlotCache(like.layers, slots=slots, length=length)
        self._end_tokens = end_tokens
        self._visible_step = visible_step
        self._shifts: list[int] = []
        self._shifted = hasattr(getattr(model, "model", None), "rope_deltas")
        self.live: list[Generation] = []
        self.steps = 0

    def join(self, generation: Generation, prefill: Prefill) -> None:
        """Takes the first token of a prefill and, unless that ends it, gives the request a slot."""
        with torch.inference_mode():
            self._take(generation, next_tokens(prefill.logits[None], [generation])[0])
            if generation.ending is None:
                self._cache.put(len(self.live), prefill.layers)
                self._shifts.append(prefill.rope_shift)
                self.live.append(generation)

    def step(self) -> None:
        """One token for each live request. May be called again after it has raised: nothing has been taken then."""
        with torch.inference_mode():
            self._step()

    def _step(self) -> None:
        if not self.live:
            return
        device = self._model.device
        places = [row.prompt_tokens + len(row.tokens) - 1 for row in self.live]
        positions = torch.tensor(places, device=device)
        visible = min(-(-(max(places) + 1) // self._visible_step) * self._visible_step, self._cache.length)
        self._cache.aim(positions, visible=visible)
        out = self._model(
            input_ids=torch.tensor([[row.tokens[-1]] for row in self.live], device=device),
            attention_mask=(torch.arange(visible, device=device)[None] <= positions[:, None])[:, None, None],
            position_ids=self._position_ids(positions),
            past_key_values=self._cache,
            use_cache=True,
        )
        self.steps += 1
        for row, token in zip(self.live, next_tokens(out.logits[:, -1], self.live), strict=True):
            self._take(row, token)
        self.sweep()

    def sweep(self) -> None:
        """Takes what has ended out of its slot; the last row moves into the gap."""
        number = 0
        while number < len(self.live):
            if self.live[number].ending is None:
                number += 1
            else:
                self.remove(number)

    def remove(self, number: int) -> Generation:
        """Takes a row out of its slot, ended or not."""
        removed, last = self.live[number], len(self.live) - 1
        if number != last:
            row = self.live[last]
            self._cache.move(last, number, tokens=row.prompt_tokens + len(row.tokens) - 1)
            self.live[number], self._shifts[number] = row, self._shifts[last]
        self.live.pop()
        self._shifts.pop()
        return removed

    def _take(self, row: Generation, token: int) -> None:
        row.take(token, is_last=token in self._end_tokens)

    def _position_ids(self, positions: torch.Tensor) -> torch.Tensor:
        """(rows, 1), or for Qwen (4, rows, 1): the count of tokens, then time, height and width."""
        counted = positions[:, None]
        if not self._shifted:
            return counted
        shifted = counted + torch.tensor(self._shifts, device=positions.device)[:, None]
        return torch.cat([counted[None], shifted[None].expand(3, -1, -1)])


def end_tokens(model: Any) -> frozenset[int]:
    """The tokens that end a text."""
    ids: int | Sequence[int] | None = model.generation_config.eos_token_id
    if ids is None:
        return frozenset()
    return frozenset([ids] if isinstance(ids, int) else ids)

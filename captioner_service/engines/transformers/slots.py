"""Requests side by side in one model: they join between steps, get a token each step, leave when they end."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch

from captioner_service.engines.transformers.decode_step import DecodeStep
from captioner_service.engines.transformers.options import Decoding
from captioner_service.engines.transformers.prefill import Prefill
from captioner_service.engines.transformers.sampling import next_tokens
from captioner_service.engines.transformers.slot_cache import SlotCache
from captioner_service.worker.generation import Generation


class Slots:
    """The slots of one model. Used by the thread that owns it.

    like: any prefill, for the shape of the cache. length: most tokens of a request, prompt and text together.
    """

    def __init__(
        self,
        model: Any,
        like: Prefill,
        *,
        slots: int,
        length: int,
        end_tokens: frozenset[int],
        decoding: Decoding = "eager",
    ) -> None:
        self._cache = SlotCache(like.layers, slots=slots, length=length)
        self._decode = DecodeStep(model, self._cache, decoding=decoding)
        self._device = model.device
        self._end_tokens = end_tokens
        self._shifts: list[int] = []
        self._shifted = hasattr(getattr(model, "model", None), "rope_deltas")
        self.live: list[Generation] = []
        self.steps = 0

    @property
    def decoding(self) -> Decoding:
        """How steps are run."""
        return "compiled" if self._decode.is_compiled else "eager"

    def warm_up(self) -> None:
        """Runs a compiled step in all its shapes, so that no clip waits for a compiler. Nothing may be live."""
        with torch.inference_mode():
            for rows, visible in self._decode.shapes() if self._decode.is_compiled else ():
                if self._decode.is_compiled:
                    self._logits([0] * rows, [visible - 1] * rows, [0] * rows, visible)

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
        places = [row.prompt_tokens + len(row.tokens) - 1 for row in self.live]
        rows, visible = self._decode.shape(live=len(self.live), tokens=max(places) + 1)
        # Rows beyond the live ones write into slots that nobody has; what they say is not looked at.
        spare = [0] * (rows - len(self.live))
        last = [row.tokens[-1] for row in self.live]
        logits = self._logits(last + spare, places + spare, self._shifts + spare, visible)
        self.steps += 1
        for row, token in zip(self.live, next_tokens(logits[: len(self.live)], self.live), strict=True):
            self._take(row, token)
        self.sweep()

    def _logits(self, tokens: list[int], places: list[int], shifts: list[int], visible: int) -> torch.Tensor:
        """Of the next token of each row. One copy to the device: each would cost as much as many numbers do."""
        table = torch.tensor([tokens, places, shifts], device=self._device)
        positions = table[1]
        return self._decode(table[0], positions, self._position_ids(positions, table[2]), visible)

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

    def _position_ids(self, positions: torch.Tensor, shifts: torch.Tensor) -> torch.Tensor:
        """(rows, 1), or for Qwen (4, rows, 1): the count of tokens, then time, height and width."""
        counted = positions[:, None]
        if not self._shifted:
            return counted
        return torch.cat([counted[None], (positions + shifts)[None, :, None].expand(3, -1, -1)])


def end_tokens(model: Any) -> frozenset[int]:
    """The tokens that end a text."""
    ids: int | Sequence[int] | None = model.generation_config.eos_token_id
    if ids is None:
        return frozenset()
    return frozenset([ids] if isinstance(ids, int) else ids)

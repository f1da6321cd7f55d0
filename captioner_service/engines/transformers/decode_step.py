"""One decode step of a model over the rows of a slot cache: run as its authors wrote it, or compiled."""

from __future__ import annotations

from typing import Any

import structlog
import torch

from captioner_service.engines.transformers.memory import is_device_fault, is_out_of_memory
from captioner_service.engines.transformers.options import Decoding
from captioner_service.engines.transformers.slot_cache import SlotCache

VISIBLE_STEP = 64
"""Positions are looked at in multiples of so many on a card, so that its shapes repeat."""
_VISIBLE_SIZES = 8
"""About how many different numbers of positions a compiled step is recorded for."""
_TOLERANCE = {torch.float32: 1e-3, torch.bfloat16: 0.05, torch.float16: 0.02}
"""Largest difference between compiled and eager logits, as a part of the largest logit: rounding, and no more."""

log = structlog.get_logger()


class DecodeStep:
    """Runs one token a row. Used by the thread that owns the model.

    compiled: by torch.compile with few different shapes (on a card recorded as CUDA graphs), so that a step is not
    held up by Python. Every shape is compared with the eager step when it first occurs; where it differs or cannot be
    compiled, a warning says so and steps are eager from then on.
    """

    def __init__(self, model: Any, cache: SlotCache, *, decoding: Decoding = "eager") -> None:
        self._model, self._cache = model, cache
        self._on_card = model.device.type == "cuda"
        self._proven: set[tuple[int, int]] = set()
        self._compiled: Any = None
        if decoding == "compiled":
            cache.stay_in_place()
            self._compiled = torch.compile(self._eager, mode="reduce-overhead" if self._on_card else None)

    @property
    def is_compiled(self) -> bool:
        """Whether steps are compiled; no longer so once that has failed."""
        return self._compiled is not None

    def shape(self, *, live: int, tokens: int) -> tuple[int, int]:
        """How many rows and positions are computed for so many live rows, the longest of so many tokens."""
        length = self._cache.length
        if self._compiled is None:
            return live, min(_up_to(tokens, VISIBLE_STEP if self._on_card else 1), length)
        # Never one row: sizes of 1 are compiled apart.
        rows = min(max(2, 1 << (live - 1).bit_length()), self._cache.slots)
        return rows, min(_up_to(tokens, _up_to(-(-length // _VISIBLE_SIZES), VISIBLE_STEP)), length)

    def shapes(self) -> list[tuple[int, int]]:
        """All that `shape` can return for a compiled step: what must be run before the first clip."""
        slots, length = self._cache.slots, self._cache.length
        return sorted(
            {
                self.shape(live=live, tokens=tokens)
                for live in range(1, slots + 1)
                for tokens in range(1, length + 1, VISIBLE_STEP // 2)
            }
            | {self.shape(live=live, tokens=length) for live in range(1, slots + 1)}
        )

    def __call__(self, tokens: torch.Tensor, positions: torch.Tensor, position_ids: torch.Tensor, visible: int) -> Any:
        """Logits of the next token, (rows, vocabulary); on a card valid until the next step.

        tokens, positions: (rows,), int64. May be called again after it has raised.
        """
        mask = self._cache.aim(positions, visible=visible)
        ids = tokens[:, None]
        if self._compiled is None:
            return self._eager(ids, mask, position_ids)
        for tensor, sizes in ((ids, (0,)), (mask, (0, 3)), (position_ids, (position_ids.dim() - 2,))):
            for size in sizes:
                torch._dynamo.maybe_mark_dynamic(tensor, size)
        torch._dynamo.maybe_mark_dynamic(self._cache.places, 0)
        torch._dynamo.maybe_mark_dynamic(self._cache.columns, 0)
        if (len(tokens), visible) not in self._proven:
            return self._first(ids, mask, position_ids)
        self._mark_step()
        return self._compiled(ids, mask, position_ids)

    def _mark_step(self) -> None:
        """What the last step returned is no longer needed: its graph may write there again."""
        if self._on_card:
            torch.compiler.cudagraph_mark_step_begin()

    def _eager(self, ids: torch.Tensor, mask: torch.Tensor, position_ids: torch.Tensor) -> torch.Tensor:
        out = self._model(
            input_ids=ids,
            attention_mask=mask,
            position_ids=position_ids,
            past_key_values=self._cache,
            use_cache=True,
        )
        logits: torch.Tensor = out.logits[:, -1]
        return logits

    def _first(self, ids: torch.Tensor, mask: torch.Tensor, position_ids: torch.Tensor) -> torch.Tensor:
        """Both ways; what the eager one says."""
        expected = self._eager(ids, mask, position_ids)
        try:
            self._mark_step()
            found = self._compiled(ids, mask, position_ids)
        except Exception as error:
            if is_out_of_memory(error) or is_device_fault(error):
                raise
            log.warning("step cannot be compiled, goes on eager", exc_info=error)
            self._compiled = None
            return expected
        off = (found - expected).abs().max() / expected.abs().max()
        if not off <= _TOLERANCE[expected.dtype]:
            log.warning("compiled step differs from eager one, goes on eager", off=float(off), rows=len(ids))
            self._compiled = None
        self._proven.add((ids.shape[0], mask.shape[3]))
        return expected


def _up_to(number: int, multiple: int) -> int:
    return -(-number // multiple) * multiple

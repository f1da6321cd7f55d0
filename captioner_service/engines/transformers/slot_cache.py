"""Keys and values of many requests, each in its own row, that a model of transformers takes for its cache."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from transformers.cache_utils import Cache, CacheLayerMixin

KeysAndValues = tuple[torch.Tensor, torch.Tensor]
"""Of one layer and one request: each (1, heads, tokens, width)."""


class SlotCache(Cache):  # type: ignore[misc]  # transformers is untyped here
    """Rows of fixed length; the first of them are live. No padding: every row writes at its own position.

    A step that dies half-way can be run again: it writes the same places. like: one layer's keys and values, for
    their heads, width, type and device.
    """

    def __init__(self, like: Sequence[KeysAndValues], *, slots: int, length: int) -> None:
        device = like[0][0].device
        self.slots, self.length = slots, length
        self.columns = torch.arange(length, device=device)
        """0, 1, 2 and so on, as many as the next step looks at."""
        self.places = torch.zeros(0, 1, 1, 1, dtype=torch.long, device=device)
        """Where the next step writes: (rows, 1, 1, 1)."""
        self._columns = self.columns
        super().__init__(layers=[_SlotLayer(self, keys, values, slots) for keys, values in like])

    def aim(self, positions: torch.Tensor, *, visible: int) -> torch.Tensor:
        """Says where the next step writes, one position a row, and how many positions it looks at.

        Returns which of these each row may see, as attention takes it: (rows, 1, 1, visible), to be added to scores.
        """
        self.places = positions[:, None, None, None]
        self.columns = self._columns[:visible]
        # Made once a step: every layer would turn a mask of truths into this one by itself.
        hidden = self.columns[None] > positions[:, None]
        mask = torch.zeros(hidden.shape, dtype=self.layers[0].keys.dtype, device=hidden.device)
        return mask.masked_fill_(hidden, float("-inf"))[:, None, None]

    def stay_in_place(self) -> None:
        """Tells torch.compile that keys and values keep shape and place, so that a graph of CUDA may write them."""
        for layer in self.layers:
            for states in (layer.keys, layer.values):
                torch._dynamo.mark_static(states)
                torch._dynamo.mark_static_address(states)

    def put(self, row: int, layers: Sequence[KeysAndValues]) -> None:
        """Copies a prefill into a row."""
        for layer, (keys, values) in zip(self.layers, layers, strict=True):
            tokens = keys.shape[2]
            layer.keys[row, :, :tokens].copy_(keys[0])
            layer.values[row, :, :tokens].copy_(values[0])

    def move(self, source: int, target: int, *, tokens: int) -> None:
        """Copies a row over another, so that live rows stay together."""
        for layer in self.layers:
            for states in (layer.keys, layer.values):
                states[target, :, :tokens].copy_(states[source, :, :tokens])


class _SlotLayer(CacheLayerMixin):  # type: ignore[misc]  # transformers is untyped here
    """One layer: keys and values are each (slots, heads, length, width)."""

    is_sliding = False

    def __init__(self, owner: SlotCache, keys: torch.Tensor, values: torch.Tensor, slots: int) -> None:
        super().__init__()
        self._owner = owner
        # Zeros, not empty memory: a masked position still takes part in a product, where NaN would spread.
        self.keys = keys.new_zeros(slots, keys.shape[1], owner.length, keys.shape[3])
        self.values = values.new_zeros(slots, values.shape[1], owner.length, values.shape[3])
        self.dtype, self.device, self.is_initialized = keys.dtype, keys.device, True

    def lazy_initialization(self, key_states: torch.Tensor, value_states: torch.Tensor) -> None:
        """All is allocated at once."""

    def update(self, key_states: torch.Tensor, value_states: torch.Tensor, *_: Any, **__: Any) -> KeysAndValues:
        """Writes one token a row, (rows, heads, 1, width) each; returns what the rows look at."""
        owner, rows = self._owner, key_states.shape[0]
        visible = owner.columns.shape[0]
        keys, values = self.keys[:rows], self.values[:rows]
        keys.scatter_(2, owner.places.expand_as(key_states), key_states)
        values.scatter_(2, owner.places.expand_as(value_states), value_states)
        return keys[:, :, :visible], values[:, :, :visible]

    def get_mask_sizes(self, query_length: int) -> tuple[int, int]:
        return len(self._owner.columns), 0

    def get_seq_length(self) -> int:
        return len(self._owner.columns) - 1

    def get_max_length(self) -> int:
        return self._owner.length

"""The next token of each row, by its own options and its own randomness, whoever else is in the batch."""

from __future__ import annotations

from collections.abc import Sequence

import torch

from captioner_service.worker.generation import Generation


def next_tokens(logits: torch.Tensor, rows: Sequence[Generation]) -> list[int]:
    """One token id a row. logits: (rows, vocabulary). Waits for the device once."""
    chosen = logits.argmax(-1)
    for number, row in enumerate(rows):
        if row.options.temperature > 0:
            chosen[number] = _drawn(logits[number], row)
    ids: list[int] = chosen.tolist()
    return ids


def _drawn(logits: torch.Tensor, row: Generation) -> torch.Tensor:
    """A token from the smallest set whose probability reaches top_p (Holtzman et al. 2020, arXiv:1904.09751)."""
    ordered, tokens = (logits.float() / row.options.temperature).softmax(-1).sort(descending=True, stable=True)
    cumulative = ordered.cumsum(-1)
    # The first token is always in: what stands before it is 0.
    reach = ordered.masked_fill(cumulative - ordered >= row.options.top_p, 0).sum()
    place = torch.searchsorted(cumulative, reach * row.chance, right=True)
    return tokens[place.clamp(max=len(tokens) - 1)]

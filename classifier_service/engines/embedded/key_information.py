"""Picks the phrases of a summary that matter most for its tags."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from classifier_service.engines.embedded.encoder import Vectors
from classifier_service.engines.embedded.likeness import Numbers
from classifier_service.engines.engine import Span

MOST_PHRASES = 5
_REDUNDANCY = 0.5
"""What likeness to a phrase already picked costs (maximal marginal relevance, Carbonell and Goldstein 1998)."""


def key_information(spans: Sequence[Span], vectors: Vectors, relevance: Numbers) -> list[str]:
    """At most five different verbatim phrases, in the order of the text.

    vectors: float32 (spans, 384), unit. relevance: (spans,), of each phrase for the answer.
    """
    alike = vectors @ vectors.T
    picked: list[int] = []
    while len(picked) < min(MOST_PHRASES, len(spans)):
        redundancy = alike[:, picked].max(axis=1) if picked else np.zeros(len(spans))
        worth = relevance - _REDUNDANCY * redundancy
        worth[picked] = -np.inf
        picked.append(int(worth.argmax()))
    return list(dict.fromkeys(spans[position].text for position in sorted(picked)))

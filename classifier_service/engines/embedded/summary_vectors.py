"""Encodes what a summary says: one vector for the whole, one for each clause."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from classifier_service.engines.embedded.encoder import WINDOW_TOKENS, Encoder, Vectors, unit
from classifier_service.engines.embedded.reading import Passage
from classifier_service.engines.engine import Span


@dataclass(frozen=True)
class SummaryVectors:
    """whole: float32 (384,), unit. clauses: float32 (clauses, 384), unit; spans and certainties: one per clause.

    tokens: how many were run through the network, special tokens included. words: how many of the text were scored.
    """

    whole: Vectors
    clauses: Vectors
    spans: Sequence[Span]
    certainties: Sequence[float]
    tokens: int
    words: int


@dataclass(frozen=True)
class _Tokens:
    """positions: of each token's first character in the summary."""

    ids: list[int]
    positions: list[int]


def encode_summary(summary: str, passages: Sequence[Passage], encoder: Encoder) -> SummaryVectors | None:
    """The passages with content, in one run where they fit into one window; None where there is no content.

    A clause's vector is the mean over the states of its own tokens, which have seen the sentences around them
    ("late chunking", arXiv 2409.04701): evidence costs no further run.
    """
    scored = [passage for passage in passages if passage.content]
    windows = list(_windows([_tokens(summary, passage, encoder) for passage in scored]))
    if not windows:
        return None
    states = np.concatenate([encoder.states(window.ids)[1:-1] for window in windows])
    positions = np.array([position for window in windows for position in window.positions])

    vectors, spans, certainties = [], [], []
    for passage in scored:
        for start, end in passage.clauses:
            inside = (positions >= start) & (positions < end)
            if inside.any():
                vectors.append(states[inside].mean(axis=0))
                spans.append(Span(start, end, summary[start:end]))
                certainties.append(passage.certainty)
    if not vectors:
        return None
    tokens = len(positions) + 2 * len(windows)
    words = sum(len(summary[start:end].split()) for passage in scored for start, end in passage.content)
    return SummaryVectors(unit(states.mean(axis=0)), unit(np.array(vectors)), spans, certainties, tokens, words)


def _tokens(summary: str, passage: Passage, encoder: Encoder) -> _Tokens:
    tokens = _Tokens([], [])
    for start, end in passage.content:
        piece = encoder.tokenise(summary[start:end])
        tokens.ids.extend(piece.ids)
        tokens.positions.extend(start + low for low, _ in piece.offsets)
    return _Tokens(tokens.ids[:WINDOW_TOKENS], tokens.positions[:WINDOW_TOKENS])


def _windows(sentences: Sequence[_Tokens]) -> Iterator[_Tokens]:
    """As many whole sentences together as one run holds."""
    window = _Tokens([], [])
    for sentence in sentences:
        if len(window.ids) + len(sentence.ids) > WINDOW_TOKENS:
            yield window
            window = _Tokens([], [])
        window = _Tokens(window.ids + sentence.ids, window.positions + sentence.positions)
    if window.ids:
        yield window

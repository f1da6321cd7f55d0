"""Encodes what a summary says: one vector for the whole, one for each clause."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from classifier_service.engines.embedded.encoder import DIMENSIONS, WINDOW_TOKENS, Encoder, Vectors, unit
from classifier_service.engines.embedded.reading import Passage
from classifier_service.engines.engine import Span


@dataclass(frozen=True)
class SummaryVectors:
    """whole: float32 (384,), unit. clauses: float32 (clauses, 384), unit; spans and certainties: one per clause.

    tokens: how many were run through the network, special tokens included. words: how many were scored.
    """

    whole: Vectors
    clauses: Vectors
    spans: Sequence[Span]
    certainties: Sequence[float]
    tokens: int
    words: int


@dataclass(frozen=True)
class _Token:
    id: int
    position: int
    """Of its first character in the summary."""


def encode_summary(summary: str, passages: Sequence[Passage], encoder: Encoder) -> SummaryVectors:
    """The passages with content, in one run where they fit into one window.

    A clause's vector is the mean over the states of its own tokens, which have seen the sentences around them
    ("late chunking", arXiv 2409.04701): evidence costs no further run.
    """
    scored = [passage for passage in passages if passage.content]
    tokens, states, run = _contextual_states(summary, scored, encoder)
    positions = np.array([token.position for token in tokens])
    vectors, spans, certainties = [], [], []
    for passage in scored:
        for start, end in passage.clauses:
            inside = (positions >= start) & (positions < end)
            if inside.any():
                vectors.append(states[inside].mean(axis=0))
                spans.append(Span(start, end, summary[start:end]))
                certainties.append(passage.certainty)
    clauses = np.array(vectors, dtype=np.float32).reshape(-1, DIMENSIONS)
    words = sum(len(summary[start:end].split()) for passage in scored for start, end in passage.content)
    return SummaryVectors(unit(states.mean(axis=0)), unit(clauses), spans, certainties, run, words)


def _contextual_states(
    summary: str, passages: Sequence[Passage], encoder: Encoder
) -> tuple[list[_Token], Vectors, int]:
    """The tokens that were run, their states (tokens, 384), and how many tokens the network saw."""
    kept: list[_Token] = []
    states: list[Vectors] = []
    run = 0
    for window in _windows([_tokens(summary, passage, encoder) for passage in passages]):
        found = encoder.states([token.id for token in window])
        run += len(found)
        kept += window
        states.append(found[1:-1])
    return kept, np.concatenate(states), run


def _tokens(summary: str, passage: Passage, encoder: Encoder) -> list[_Token]:
    tokens: list[_Token] = []
    for start, end in passage.content:
        piece = encoder.tokenise(summary[start:end])
        tokens += [_Token(id, start + low) for id, (low, _) in zip(piece.ids, piece.offsets, strict=True)]
    return tokens[:WINDOW_TOKENS]


def _windows(sentences: Sequence[list[_Token]]) -> Iterator[list[_Token]]:
    window: list[_Token] = []
    for sentence in sentences:
        if len(window) + len(sentence) > WINDOW_TOKENS:
            yield window
            window = []
        window = window + sentence
    yield window

"""How a summary is encoded."""

from __future__ import annotations

import numpy as np

from classifier_service.engines.embedded.encoder import WINDOW_TOKENS, Encoder
from classifier_service.engines.embedded.reading import read
from classifier_service.engines.embedded.summary_vectors import SummaryVectors, encode_summary


def encoded(encoder: Encoder, summary: str) -> SummaryVectors:
    vectors = encode_summary(summary, read(summary).passages, encoder)
    assert vectors is not None
    return vectors


def test_each_clause_has_a_vector_and_a_place(encoder: Encoder) -> None:
    summary = "The video shows a dog in a park. It barks at a cat."
    vectors = encoded(encoder, summary)
    assert [span.text for span in vectors.spans] == ["a dog in a park", "It barks at a cat"]
    assert all(summary[span.start : span.end] == span.text for span in vectors.spans)
    assert vectors.clauses.shape == (2, 384)


def test_what_is_denied_leaves_no_trace_in_the_vectors(encoder: Encoder) -> None:
    plain = encoded(encoder, "A man types at a desk.")
    denied = encoded(encoder, "A man types at a desk. Nobody laughs.")
    assert np.array_equal(plain.whole, denied.whole)
    assert plain.words == denied.words


def test_a_text_longer_than_a_window_is_run_in_several(encoder: Encoder) -> None:
    vectors = encoded(encoder, "A brown dog runs across a wide green meadow. " * 30)
    assert vectors.tokens > WINDOW_TOKENS + 2
    assert len(vectors.spans) == 30


def test_no_content_has_no_vectors(encoder: Encoder) -> None:
    assert encode_summary("...", read("...").passages, encoder) is None
    assert encode_summary("", (), encoder) is None

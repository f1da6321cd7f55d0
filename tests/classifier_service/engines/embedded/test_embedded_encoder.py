"""Text becomes vectors that do not depend on their company."""

from __future__ import annotations

import numpy as np
import onnxruntime
import pytest

from classifier_service.engines.embedded.encoder import WINDOW_TOKENS, Encoder, unit
from classifier_service.engines.embedded.weights import find_weights

TEXTS = [
    "A dog runs.",
    "A puppy races across a meadow.",
    "The committee approved the annual budget after a long debate.",
]


def test_vectors_have_length_one(encoder: Encoder) -> None:
    assert np.linalg.norm(encoder.encode(TEXTS), axis=1) == pytest.approx(1.0, abs=1e-5)


def test_a_text_has_the_same_vector_alone_and_among_others(encoder: Encoder) -> None:
    together = encoder.encode(TEXTS)
    assert all(np.array_equal(encoder.encode([text])[0], vector) for text, vector in zip(TEXTS, together, strict=True))


def test_like_texts_are_closer_than_unlike_ones(encoder: Encoder) -> None:
    dog, puppy, budget = encoder.encode(TEXTS)
    assert dog @ puppy > dog @ budget + 0.2


def test_no_texts_give_no_vectors(encoder: Encoder) -> None:
    assert encoder.encode([]).shape == (0, 384)


def test_a_long_text_is_cut_at_the_window(encoder: Encoder) -> None:
    assert np.array_equal(encoder.encode(["dog " * WINDOW_TOKENS])[0], encoder.encode(["dog " * 5_000])[0])


def test_eight_bits_lose_next_to_nothing(encoder: Encoder) -> None:
    original = onnxruntime.InferenceSession(str(find_weights().model), providers=["CPUExecutionProvider"])
    for text in TEXTS:
        row = np.array([[101, *encoder.tokenise(text).ids, 102]])
        inputs = {"input_ids": row, "attention_mask": np.ones_like(row), "token_type_ids": np.zeros_like(row)}
        exact = unit(original.run(None, inputs)[0][0].mean(axis=0))
        assert float(exact @ encoder.encode([text])[0]) > 0.998


def test_tokens_know_their_places(encoder: Encoder) -> None:
    text = "Zwei Hunde \N{DOG FACE} bark!"
    tokens = encoder.tokenise(text)
    assert text[tokens.offsets[-2][0] : tokens.offsets[-2][1]] == "bark"

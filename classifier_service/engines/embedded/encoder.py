"""Turns text into vectors: the WordPiece tokeniser and the MiniLM network on ONNX Runtime."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import onnxruntime
from tokenizers import Tokenizer

from classifier_service.engines.embedded.network import eight_bit_network
from classifier_service.engines.embedded.weights import Weights

Vectors = npt.NDArray[np.float32]

DIMENSIONS = 384
WINDOW_TOKENS = 126
"""Tokens of text in one run, beside [CLS] and [SEP]: the model was trained with sequences of 128."""


@dataclass(frozen=True)
class Tokens:
    """A tokenised text, without special tokens. offsets: (start, end) in characters of the text, one per id."""

    ids: Sequence[int]
    offsets: Sequence[tuple[int, int]]


class Encoder:
    """One session, for any thread. Each text is run alone and unpadded: its vector depends on no other."""

    def __init__(self, weights: Weights) -> None:
        self._tokenizer = Tokenizer.from_file(str(weights.tokenizer))
        self._tokenizer.no_padding()
        self._tokenizer.no_truncation()
        self._first, self._last = self._tokenizer.encode("").ids
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = 1
        options.inter_op_num_threads = 1
        self._session = onnxruntime.InferenceSession(
            eight_bit_network(weights.model),
            options,
            providers=["CPUExecutionProvider"],
            disabled_optimizers=["SkipLayerNormFusion"],  # the fused operator is slower than the two it replaces
        )

    def tokenise(self, text: str) -> Tokens:
        """The tokens of a text of any length."""
        encoding = self._tokenizer.encode(text, add_special_tokens=False)
        return Tokens(encoding.ids, encoding.offsets)

    def states(self, ids: Sequence[int]) -> Vectors:
        """The last hidden states, float32 (2 + tokens, 384), [CLS] and [SEP] around at most WINDOW_TOKENS tokens."""
        row = np.array([[self._first, *ids[:WINDOW_TOKENS], self._last]], dtype=np.int64)
        inputs = {"input_ids": row, "attention_mask": np.ones_like(row), "token_type_ids": np.zeros_like(row)}
        states: Vectors = self._session.run(None, inputs)[0][0]
        return states

    def encode(self, texts: Sequence[str]) -> Vectors:
        """Unit vectors, float32 (texts, 384): the mean over the states of each text's first WINDOW_TOKENS tokens."""
        vectors = np.empty((len(texts), DIMENSIONS), dtype=np.float32)
        for row, text in enumerate(texts):
            vectors[row] = self.states(self.tokenise(text).ids).mean(axis=0)
        return unit(vectors)


def unit(vectors: Vectors) -> Vectors:
    """The vectors, (..., 384), at length one; a zero vector stays zero."""
    lengths = np.sqrt(np.square(vectors).sum(axis=-1, keepdims=True))
    scaled: Vectors = vectors / np.maximum(lengths, np.float32(1e-12))
    return scaled

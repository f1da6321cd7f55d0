"""Vectors of the packaged scenes, made beforehand: encoding two thousand sentences at every start would take seconds.

benchmarks/encode_scenes.py writes the file anew; it is due when scenes.txt, the weights or the way they are run have
changed, which a test notices.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from importlib import resources
from pathlib import Path

import numpy as np

from classifier_service.engines.embedded.encoder import DIMENSIONS, Encoder, Vectors, unit

FILE = "scene_vectors.npz"
_KEY_BYTES = 12
"""Of the sha256 of a text: among thousands of texts two never share so many."""


@dataclass(frozen=True)
class SceneVectors:
    """Encodes texts, taking those that are known from a table."""

    encoder: Encoder
    rows: dict[bytes, int]
    table: Vectors
    """float32 (known texts, 384), unit."""

    def encode(self, texts: Sequence[str]) -> Vectors:
        """As `Encoder.encode`: unit vectors, float32 (texts, 384)."""
        vectors = np.empty((len(texts), DIMENSIONS), dtype=np.float32)
        for position, text in enumerate(texts):
            row = self.rows.get(_key(text))
            vectors[position] = self.encoder.encode([text])[0] if row is None else self.table[row]
        return vectors


def packaged_vectors(encoder: Encoder) -> SceneVectors:
    """The table that comes along. A text that it does not know is encoded when it is asked for."""
    with resources.files(__package__).joinpath(FILE).open("rb") as file, np.load(file, allow_pickle=False) as stored:
        keys, halves = stored["keys"], stored["vectors"]
    rows = {bytes(key): row for row, key in enumerate(keys)}
    return SceneVectors(encoder, rows, unit(halves.astype(np.float32)))


def write_vectors(texts: Sequence[str], encoder: Encoder, path: Path) -> None:
    """Writes the table of these texts. Half precision: within a cosine of 1e-6 of what the encoder gives."""
    distinct = sorted(set(texts))
    keys = np.array([np.frombuffer(_key(text), dtype=np.uint8) for text in distinct])
    np.savez_compressed(path, keys=keys, vectors=encoder.encode(distinct).astype(np.float16))


def _key(text: str) -> bytes:
    return hashlib.sha256(text.encode()).digest()[:_KEY_BYTES]

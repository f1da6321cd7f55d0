"""The table of vectors that comes along is that of the scenes that come along."""

from __future__ import annotations

import numpy as np

from classifier_service.engines.embedded.encoder import Encoder
from classifier_service.engines.embedded.scene_vectors import packaged_vectors
from classifier_service.engines.embedded.scenes import packaged_concepts


class NoEncoder(Encoder):
    """Fails where anything is encoded after all."""

    def __init__(self) -> None:
        pass


def test_every_packaged_text_is_in_the_table() -> None:
    """Otherwise run benchmarks/encode_scenes.py."""
    every = [text for concept in packaged_concepts() for text in (*concept.names, *concept.scenes)]
    assert packaged_vectors(NoEncoder()).encode(every).shape == (len(every), 384)


def test_the_table_holds_what_the_encoder_gives(encoder: Encoder) -> None:
    """Otherwise run benchmarks/encode_scenes.py."""
    sample = [concept.scenes[0] for concept in packaged_concepts()][::4]
    cosines = np.sum(packaged_vectors(encoder).encode(sample) * encoder.encode(sample), axis=1)
    assert cosines.min() > 0.999


def test_another_text_is_encoded(encoder: Encoder) -> None:
    text = "A text that no table holds."
    assert np.array_equal(packaged_vectors(encoder).encode([text]), encoder.encode([text]))

"""Writes the vectors of the embedded classifier's packaged scenes anew, after a change of them or of the weights."""

from __future__ import annotations

from pathlib import Path

from classifier_service.engines import embedded
from classifier_service.engines.embedded.encoder import Encoder
from classifier_service.engines.embedded.scene_vectors import FILE, write_vectors
from classifier_service.engines.embedded.scenes import packaged_concepts
from classifier_service.engines.embedded.weights import find_weights

if __name__ == "__main__":
    every = [text for concept in packaged_concepts() for text in (*concept.names, *concept.scenes)]
    path = Path(embedded.__file__).with_name(FILE)
    write_vectors(every, Encoder(find_weights()), path)
    print(f"{len(every)} texts, {path.stat().st_size} bytes")

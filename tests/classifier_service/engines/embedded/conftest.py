"""The real packaged encoder and scenes, loaded once."""

from __future__ import annotations

import pytest

from classifier_service.engines.embedded.encoder import Encoder
from classifier_service.engines.embedded.scene_vectors import packaged_vectors
from classifier_service.engines.embedded.scenes import Scenes, packaged_concepts
from classifier_service.engines.embedded.weights import find_weights


@pytest.fixture(scope="session")
def encoder() -> Encoder:
    return Encoder(find_weights())


@pytest.fixture(scope="session")
def scenes(encoder: Encoder) -> Scenes:
    return Scenes(packaged_vectors(encoder), packaged_concepts())

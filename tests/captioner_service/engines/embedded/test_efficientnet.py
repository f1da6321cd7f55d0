"""The classifier as a graph: the right shape, probabilities, and the same bytes in any company."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import onnx
import pytest
from numpy.typing import NDArray

from captioner_service.engines.embedded.checkpoint import read_tensors
from captioner_service.engines.embedded.efficientnet import CLASSES, EfficientNetLite0, build_graph
from captioner_service.engines.embedded.weights import read_weights

Texture = Callable[[int, int, int], NDArray[np.uint8]]


@pytest.fixture(scope="module")
def network() -> EfficientNetLite0:
    return EfficientNetLite0(read_tensors(read_weights()))


def test_the_graph_is_valid_onnx() -> None:
    onnx.checker.check_model(build_graph(read_tensors(read_weights())))


def test_every_row_is_a_distribution_over_a_thousand_classes(network: EfficientNetLite0, texture: Texture) -> None:
    probabilities = network.probabilities([texture(seed, 120, 160) for seed in range(3)])
    assert probabilities.shape == (3, CLASSES)
    assert probabilities.dtype == np.float32
    np.testing.assert_allclose(probabilities.sum(axis=1), 1, atol=1e-5)


def test_a_picture_gets_the_same_bytes_alone_and_among_others(network: EfficientNetLite0, texture: Texture) -> None:
    pictures = [texture(seed, 120, 160) for seed in range(11)]
    together = network.probabilities(pictures)
    for picture, row in zip(pictures, together, strict=True):
        assert network.probabilities([picture])[0].tobytes() == row.tobytes()

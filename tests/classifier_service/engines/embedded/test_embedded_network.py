"""The network is read from wherever an installer put it."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from classifier_service.engines.embedded.network import eight_bit_network
from classifier_service.engines.embedded.weights import find_weights


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    copy = tmp_path_factory.mktemp("network")
    for path in find_weights().model.parent.glob("model.onnx*"):
        shutil.copy(path, copy / path.name)
    return copy


def test_a_network_whose_files_have_second_names_is_read_like_one_whose_files_have_not(folder: Path) -> None:
    alone = eight_bit_network(folder / "model.onnx")
    linked = folder / "linked"
    linked.mkdir()
    for path in folder.glob("model.onnx*"):
        (linked / path.name).hardlink_to(path)
    assert eight_bit_network(linked / "model.onnx") == alone


def test_a_file_of_tensors_that_ends_early_is_told(folder: Path, tmp_path: Path) -> None:
    shutil.copy(folder / "model.onnx", tmp_path / "model.onnx")
    (tmp_path / "model.onnx_data").write_bytes(b"short")
    with pytest.raises(ValueError, match="ends before it"):
        eight_bit_network(tmp_path / "model.onnx")

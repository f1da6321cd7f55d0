"""The caption engine that needs no GPU, no key and no download: measurements and a small packaged classifier."""

from __future__ import annotations

import os

# onnxruntime reports its use to its maker from the moment it is imported, unless it is told not to before that.
os.putenv("ORT_DISABLE_TELEMETRY", "1")

try:
    from captioner_service.engines.embedded.describer import EmbeddedEngine
except ModuleNotFoundError as error:
    if error.name not in {"cv2", "numpy", "onnx", "onnxruntime"}:
        raise
    raise ModuleNotFoundError(
        f"The embedded captioner needs the package {error.name}: pip install 'vidtomusictags[embedded-captioner]'",
        name=error.name,
    ) from error

__all__ = ["EmbeddedEngine"]

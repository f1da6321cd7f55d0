"""The classification engine that needs no key, no GPU and no download: similarity of packaged sentence embeddings."""

import os

# onnxruntime reports its use to its maker from the moment it is imported, unless it is told not to before that.
os.putenv("ORT_DISABLE_TELEMETRY", "1")

from classifier_service.engines.embedded.engine import EmbeddedEngine

__all__ = ["EmbeddedEngine"]

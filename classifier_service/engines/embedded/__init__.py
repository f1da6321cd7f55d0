"""The classification engine that needs no key, no GPU and no download: similarity of packaged sentence embeddings."""

from classifier_service.engines.embedded.engine import EmbeddedEngine

__all__ = ["EmbeddedEngine"]

"""Taxonomies that the embedded classifier need not encode again in this process: the packaged one takes it seconds."""

from __future__ import annotations

import threading

from classifier_service.engines.embedded.encoder import Encoder
from classifier_service.engines.embedded.prototypes import Prototypes, embed
from classifier_service.engines.embedded.scenes import Scenes
from classifier_service.taxonomy import Taxonomy

_known: dict[str, Prototypes] = {}


def embed_once(taxonomy: Taxonomy, encoder: Encoder, scenes: Scenes, stop: threading.Event | None = None) -> Prototypes:
    """What `embed` gives, which follows from the taxonomy alone: encoder and scenes are the packaged ones."""
    if taxonomy.digest not in _known:
        _known[taxonomy.digest] = embed(taxonomy, encoder, scenes, stop)
    return _known[taxonomy.digest]

"""Packaged knowledge of what well-known words look like: a tag that resembles one borrows its scenes as examples."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib import resources
from typing import Protocol

from classifier_service.engines.embedded.encoder import Vectors
from classifier_service.engines.embedded.likeness import Numbers, nearest

LEAST_RESEMBLANCE = 0.60
"""Cosine between a text of a tag and a concept's name from which they are taken to mean the same."""
_LABEL_VOTES = 2
"""What a tag's label counts against one for each further text."""


@dataclass(frozen=True)
class Concept:
    """Words that mean much the same, and sentences about videos that show it."""

    names: Sequence[str]
    scenes: Sequence[str]


class Encodes(Protocol):
    """Turns texts into unit vectors, float32 (texts, 384)."""

    def encode(self, texts: Sequence[str]) -> Vectors: ...


class Scenes:
    """Concepts as vectors; scenes that `encode` does not know beforehand are encoded when first borrowed.

    One thread may encode taxonomies with it while another reads the vectors of concepts borrowed before.
    """

    def __init__(self, encoder: Encodes, concepts: Sequence[Concept]) -> None:
        self._encoder = encoder
        self._concepts = concepts
        self._names = encoder.encode([name for concept in concepts for name in concept.names])
        self._concept_of = [number for number, concept in enumerate(concepts) for _ in concept.names]
        self._vectors: dict[int, Vectors] = {}
        self._nearest_to_everyday: dict[int, Numbers] = {}
        self.everyday: Vectors = encoder.encode([concept.scenes[0] for concept in concepts])
        """One scene of each concept, float32 (concepts, 384), unit: a sample of what videos show."""

    def resembled(self, label: Vectors, further: Sequence[Vectors]) -> Mapping[int, float]:
        """Concepts that a tag resembles, by number, with shares that add up to one; empty where it resembles none.

        label, further: float32 (384,), of the label and of the things that description and synonyms name. Each votes
        for the concept with the most similar name.
        """
        votes: Counter[int] = Counter()
        for vector, weight in [(label, _LABEL_VOTES), *((vector, 1) for vector in further)]:
            resemblance = self._names @ vector
            best = int(resemblance.argmax())
            if resemblance[best] >= LEAST_RESEMBLANCE:
                votes[self._concept_of[best]] += weight
        return {concept: count / votes.total() for concept, count in votes.items()}

    def vectors(self, concept: int) -> Vectors:
        """The scenes of a concept, float32 (scenes, 384), unit."""
        if concept not in self._vectors:
            self._vectors[concept] = self._encoder.encode(self._concepts[concept].scenes)
        return self._vectors[concept]

    def nearest_to_everyday(self, concept: int) -> Numbers:
        """For each everyday scene, the highest similarities (concepts, at most NEAREST) among a concept's scenes."""
        if concept not in self._nearest_to_everyday:
            self._nearest_to_everyday[concept] = nearest(self.everyday @ self.vectors(concept).T)
        return self._nearest_to_everyday[concept]


def packaged_concepts() -> list[Concept]:
    """The concepts of `scenes.txt`, whose head says how it is written."""
    concepts = []
    for block in _packaged_text().split("\n## ")[1:]:
        names, *scenes = block.strip().splitlines()
        concepts.append(Concept(tuple(name.strip() for name in names.split(",")), tuple(scenes)))
    return concepts


def packaged_digest() -> str:
    """sha256 of `scenes.txt`, as lower-case hex: other scenes, other scores."""
    return hashlib.sha256(_packaged_text().encode()).hexdigest()


def _packaged_text() -> str:
    return resources.files(__package__).joinpath("scenes.txt").read_text(encoding="utf-8")

"""Turns the tags of a taxonomy into vectors that summaries can be compared with."""

from __future__ import annotations

import re
import threading
from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from classifier_service.engines.embedded.encoder import DIMENSIONS, Encoder, Vectors, unit
from classifier_service.engines.embedded.likeness import combined
from classifier_service.engines.embedded.scenes import Scenes
from classifier_service.taxonomy import Tag, Taxonomy

MOST_TAGS_KEPT = 20_000
"""Over all taxonomies in the cache; a tag takes some 10 kB."""
CLOSELY_READ_TAGS = 1_000
"""In a larger taxonomy the things that a description lists are not encoded one by one: it would take twice the time."""

_PHRASE_BREAK = re.compile(
    r"[,;:]\s*|\s+(?:such\s+as|including|in\s+which)\s+|\s+with\s+(?=[a-z]+\s)|\s+and\s+(?=\w+\s*$)", re.IGNORECASE
)
_JOINING_WORD = re.compile(r"^(?:(?:such\s+as|including|and|or|with|of|other)\s+)+", re.IGNORECASE)


@dataclass(frozen=True)
class Prototype:
    """What a summary is compared with for one tag; vectors are float32 and unit.

    centre: (384,), midway between what the tag says of itself and the scenes that it borrowed.
    borrowed: numbers of the concepts whose scenes are examples of the tag too. examples: (sentences, 384), its own.
    cues_against: (cues, 384). level: how like the tag everyday scenes are on average.
    """

    tag: Tag
    centre: Vectors
    borrowed: Sequence[int]
    examples: Vectors
    cues_against: Vectors
    level: float


@dataclass(frozen=True)
class Prototypes:
    """The active tags of one taxonomy, in its order.

    centres: float32 (tags, 384). groups: for each facet, or for the whole of a flat list, the positions of its tags.
    """

    of_tags: Sequence[Prototype]
    centres: Vectors
    groups: Sequence[npt.NDArray[np.intp]]

    @property
    def tags(self) -> Sequence[Tag]:
        """The tags themselves."""
        return [prototype.tag for prototype in self.of_tags]


class PrototypeCache:
    """The prototypes of the taxonomies used last, by their digest. Any thread."""

    def __init__(self, most_tags: int = MOST_TAGS_KEPT) -> None:
        self._most_tags = most_tags
        self._kept: OrderedDict[str, Prototypes] = OrderedDict()
        self._lock = threading.Lock()

    def get(self, taxonomy: Taxonomy) -> Prototypes | None:
        """What was kept of a taxonomy of equal content."""
        with self._lock:
            if taxonomy.digest in self._kept:
                self._kept.move_to_end(taxonomy.digest)
            return self._kept.get(taxonomy.digest)

    def keep(self, taxonomy: Taxonomy, prototypes: Prototypes) -> None:
        """Forgets the taxonomies that went unused longest, while there are too many tags in all."""
        with self._lock:
            self._kept[taxonomy.digest] = prototypes
            while len(self._kept) > 1 and sum(len(kept.of_tags) for kept in self._kept.values()) > self._most_tags:
                self._kept.popitem(last=False)


class Abandoned(Exception):
    """The vectors of a taxonomy are not wanted any more."""


def embed(taxonomy: Taxonomy, encoder: Encoder, scenes: Scenes, stop: threading.Event | None = None) -> Prototypes:
    """Encodes every text of every active tag, and the scenes of the concepts that the tags resemble.

    Raises Abandoned within one tag after `stop` is set.
    """
    closely = len(taxonomy.active) <= CLOSELY_READ_TAGS
    of_tags = []
    for tag in taxonomy.active:
        if stop is not None and stop.is_set():
            raise Abandoned
        of_tags.append(_embed_tag(tag, encoder, scenes, closely=closely))
    centres = np.array([prototype.centre for prototype in of_tags], dtype=np.float32).reshape(-1, DIMENSIONS)
    facets = list(dict.fromkeys(tag.facet for tag in taxonomy.active))
    groups = [np.flatnonzero([tag.facet == facet for tag in taxonomy.active]) for facet in facets]
    return Prototypes(of_tags, centres, groups)


def phrases(description: str) -> list[str]:
    """The things that a description lists: 'Calm scenes such as yoga, spa' gives 'Calm scenes', 'yoga', 'spa'."""
    parts = (_JOINING_WORD.sub("", part.strip()) for part in _PHRASE_BREAK.split(description.strip().rstrip(". ")))
    return [part for part in parts if len(part) > 2]


def _embed_tag(tag: Tag, encoder: Encoder, scenes: Scenes, *, closely: bool) -> Prototype:
    listed = phrases(tag.description) if closely else []
    label, *named = encoder.encode([tag.label, *listed, *tag.synonyms])
    described = encoder.encode([f"{tag.label}: {tag.description}"])[0] if tag.description.strip() else label
    examples = encoder.encode(tag.examples)
    centre = _centre([described, *named, *encoder.encode(tag.cues_for), *examples])

    borrowed = scenes.resembled(label, named)
    if borrowed:
        shown = [share * _centre(scenes.vectors(concept)) for concept, share in borrowed.items()]
        centre = unit(centre + unit(np.sum(shown, axis=0)))

    others = [number for number in range(len(scenes.everyday)) if number not in borrowed]
    everyday = scenes.everyday[others]
    to_examples = [scenes.nearest_to_everyday(concept)[others] for concept in borrowed] + [everyday @ examples.T]
    level = float(combined(everyday @ centre, np.concatenate(to_examples, axis=1)).mean())
    return Prototype(tag, centre, tuple(borrowed), examples, encoder.encode(tag.cues_against), level)


def _centre(vectors: Sequence[Vectors] | Vectors) -> Vectors:
    return unit(np.mean(vectors, axis=0))

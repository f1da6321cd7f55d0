"""Turns the tags of a taxonomy into vectors that summaries can be compared with."""

from __future__ import annotations

import re
from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from classifier_service.engines.embedded.encoder import DIMENSIONS, Encoder, Vectors, unit
from classifier_service.taxonomy import Tag, Taxonomy

_PHRASE_BREAK = re.compile(
    r"[,;:]\s*|\s+(?:such\s+as|including|in\s+which)\s+|\s+with\s+(?=[a-z]+\s)|\s+and\s+(?=\w+\s*$)", re.IGNORECASE
)
_JOINING_WORD = re.compile(r"^(?:(?:such\s+as|including|and|or|with|of|other)\s+)+", re.IGNORECASE)


@dataclass(frozen=True)
class Prototypes:
    """The active tags of one taxonomy. towards, away: float32 (tags, 384); away is zero where no cue speaks against.

    groups: for each facet, or for the whole of a flat list, the rows of its tags.
    """

    tags: Sequence[Tag]
    towards: Vectors
    away: Vectors
    groups: Sequence[npt.NDArray[np.intp]]


def texts_for(tag: Tag) -> list[str]:
    """The sentences and phrases that stand for a tag; never empty."""
    texts = []
    if tag.description.strip():
        texts.append(f"{tag.label}: {tag.description.strip()}")
        texts += phrases(tag.description)
    else:
        texts.append(tag.label)
    return texts + [text for text in (*tag.synonyms, *tag.cues_for, *tag.examples) if text.strip()]


def phrases(description: str) -> list[str]:
    """The things that a description lists: 'Calm scenes such as yoga, spa' gives 'Calm scenes', 'yoga', 'spa'."""
    parts = (_JOINING_WORD.sub("", part.strip()) for part in _PHRASE_BREAK.split(description.strip().rstrip(". ")))
    return [part for part in parts if len(part) > 2]


def embed(taxonomy: Taxonomy, encoder: Encoder) -> Prototypes:
    """Encodes every text of every active tag: the centre of a tag's unit vectors is its prototype."""
    tags = taxonomy.active
    towards = np.zeros((len(tags), DIMENSIONS), dtype=np.float32)
    away = np.zeros_like(towards)
    for row, tag in enumerate(tags):
        towards[row] = unit(encoder.encode(texts_for(tag)).mean(axis=0))
        if tag.cues_against:
            away[row] = unit(encoder.encode(tag.cues_against).mean(axis=0))
    facets = list(dict.fromkeys(tag.facet for tag in tags))
    groups = [np.array([row for row, tag in enumerate(tags) if tag.facet == facet], dtype=np.intp) for facet in facets]
    return Prototypes(tags, towards, away, groups)


class PrototypeCache:
    """The prototypes of the taxonomies used last, by their digest. One thread only."""

    def __init__(self, encoder: Encoder, capacity: int = 8) -> None:
        self._encoder = encoder
        self._capacity = capacity
        self._kept: OrderedDict[str, Prototypes] = OrderedDict()

    def prototypes(self, taxonomy: Taxonomy) -> Prototypes:
        """Encodes the taxonomy on first use; forgets the one that went unused longest."""
        kept = self._kept.pop(taxonomy.digest, None) or embed(taxonomy, self._encoder)
        self._kept[taxonomy.digest] = kept
        while len(self._kept) > self._capacity:
            self._kept.popitem(last=False)
        return kept

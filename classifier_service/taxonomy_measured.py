"""Warnings about a taxonomy that take the embedded engine to find: tags that mean the same, thresholds out of reach."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from classifier_service.taxonomy import Status, Tag, Taxonomy
from classifier_service.taxonomy_faults import Fault, owner_name
from classifier_service.taxonomy_file import Inspection, inspect_taxonomy
from classifier_service.taxonomy_yaml import read_document

if TYPE_CHECKING:
    from classifier_service.engines.embedded.encoder import Encoder

ALIKE = 0.80
"""Cosine above which labels, or descriptions, of one facet are taken to mean the same. By this encoder Car and
Automobile have 0.86, Forest and Woods 0.81, Slow and Fast 0.75. Synonyms that it holds to be further apart, such as
Calm and Peaceful (0.57), are not found: a lower bound would take opposites for the same."""
_ROWS_AT_ONCE = 256


def inspect_closely(text: str | bytes, *, name: str) -> Inspection:
    """As `taxonomy_file.inspect_taxonomy`, with what an encoder finds among the warnings, in the order of lines.

    Takes a second to load, and some milliseconds a tag. Raises WeightsUnusable where the packaged model is missing.
    """
    from classifier_service.engines.embedded.encoder import Encoder  # noqa: PLC0415  # only where it is installed
    from classifier_service.engines.embedded.weights import find_weights  # noqa: PLC0415

    found = inspect_taxonomy(text, name=name)
    if found.taxonomy is None:
        return found
    document = read_document(text)
    measured = [*near_duplicates(found.taxonomy, Encoder(find_weights())), *unreachable(found.taxonomy)]
    located = [*found.warnings, *(fault.located(name, document.line_of) for fault in measured)]
    return replace(found, warnings=tuple(sorted(located, key=lambda fault: fault.line or 0)))


def near_duplicates(taxonomy: Taxonomy, encoder: Encoder) -> Iterator[Fault]:
    """Pairs of active tags of one facet that mean the same by their labels or by their descriptions."""
    positions = {tag.id: position for position, tag in enumerate(taxonomy.tags)}
    for facet in dict.fromkeys(tag.facet for tag in taxonomy.active):
        tags = [tag for tag in taxonomy.active if tag.facet == facet]
        described = [tag for tag in tags if tag.description.strip()]
        told: set[tuple[str, str]] = set()
        for kind, subjects, texts in (
            ("label", tags, [tag.label for tag in tags]),
            ("description", described, [tag.description for tag in described]),
        ):
            for first, second, cosine in _pairs(encoder.encode(texts)):
                one, other = subjects[first], subjects[second]
                if (one.id, other.id) in told or (kind == "label" and _is_graded(one, other)):
                    continue
                told.add((one.id, other.id))
                place = ("tags", positions[other.id], kind)
                first_name = owner_name("tag", one.id, positions[one.id])
                problem = f"{kind} means nearly the same as that of {first_name} (likeness {cosine:.2f})"
                yield Fault(place, problem, owner_name("tag", other.id, positions[other.id]))


def unreachable(taxonomy: Taxonomy) -> Iterator[Fault]:
    """Thresholds of active tags above what some of their clips can get."""
    from classifier_service.engines.embedded.answering import PERCEPTION_CAP  # noqa: PLC0415

    for position, tag in enumerate(taxonomy.tags):
        if tag.status is not Status.ACTIVE or tag.threshold is None or tag.threshold <= PERCEPTION_CAP:
            continue
        problem = (
            f"threshold {tag.threshold:g} is out of reach of clips that the embedded captioner describes: it knows too"
            f" little for more than {PERCEPTION_CAP:g}"
            if tag.threshold < 1
            else "threshold 1 asks for certainty, which no engine has; the tag will hardly ever be returned"
        )
        yield Fault(("tags", position, "threshold"), problem, owner_name("tag", tag.id, position))


def _pairs(vectors: np.ndarray[tuple[int, ...], np.dtype[np.float32]]) -> Iterator[tuple[int, int, float]]:
    """Rows that are alike, the earlier first, in blocks: all pairs of 5,000 tags at once would take 100 MB."""
    for start in range(0, len(vectors), _ROWS_AT_ONCE):
        block = vectors[start : start + _ROWS_AT_ONCE] @ vectors.T
        for row, column in np.argwhere(block >= ALIKE):
            if column > start + row:
                yield start + int(row), int(column), float(block[row, column])


def _is_graded(one: Tag, other: Tag) -> bool:
    """Low and Very Low, Pop and Corporate Pop: one label is the other with a word more, and means to be."""
    words, others = set(one.label.casefold().split()), set(other.label.casefold().split())
    return words < others or others < words

"""Labels against a taxonomy: what each annotator said of each tag, and what is right on the whole."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from vidtomusictags.evaluation.dataset import Item
from vidtomusictags.evaluation.faults import Fault, Kind

if TYPE_CHECKING:
    from classifier_service.taxonomy import Taxonomy

EXPECTED_SHARE = 0.5
"""A tag is expected of a clip where the mean relevance over its annotators is at least this: the majority, ties too."""


@dataclass(frozen=True)
class Truth:
    """What is right, for the active tags of one taxonomy in its order.

    share: float32 (items, tags), mean relevance over the annotators of the item. expected: bool, share >= 0.5.
    votes: float32 (annotators, items, tags), NaN where somebody did not judge the item. unknown: how many expected
    labels name no tag of the taxonomy.
    """

    tags: Sequence[str]
    share: NDArray[np.float32]
    expected: NDArray[np.bool_]
    votes: NDArray[np.float32]
    annotators: Sequence[str]
    unknown: int
    faults: Sequence[Fault]


def truth_of(items: Sequence[Item], taxonomy: Taxonomy) -> Truth:
    """Labels may name a tag by its id, by its label, or by the id of a deprecated tag that was replaced."""
    tags = [tag.id for tag in taxonomy.active]
    columns = _columns(taxonomy, tags)
    annotators = list(dict.fromkeys(name for item in items for name in item.labels))
    places = {name: place for place, name in enumerate(annotators)}
    votes = np.full((len(annotators), len(items), len(tags)), np.nan, dtype=np.float32)
    faults: list[Fault] = []
    unknown = 0
    for row, item in enumerate(items):
        missed: dict[str, float] = {}
        for annotator, labels in item.labels.items():
            line = votes[places[annotator], row]
            line[:] = 0.0
            for name, relevance in labels.items():
                column = columns.get(name, columns.get(name.casefold()))
                if column is None:
                    missed[name] = missed.get(name, 0.0) + relevance
                else:
                    line[column] = max(line[column], relevance)
        faults += [_unknown(item, name, taxonomy) for name in missed]
        unknown += sum(total / len(item.labels) >= EXPECTED_SHARE for total in missed.values())
    judged = ~np.isnan(votes[:, :, 0]) if tags else np.zeros(votes.shape[:2], dtype=bool)
    share = np.nansum(votes, axis=0, dtype=np.float32) / np.maximum(judged.sum(axis=0), 1)[:, None].astype(np.float32)
    expected = share >= EXPECTED_SHARE - 1e-6
    return Truth(tags, share, expected, votes, annotators, unknown, tuple(faults))


def _columns(taxonomy: Taxonomy, tags: Sequence[str]) -> Mapping[str, int]:
    columns = {tag.label.casefold(): place for place, tag in enumerate(taxonomy.active)}
    columns |= {id.casefold(): place for place, id in enumerate(tags)}
    columns |= {id: place for place, id in enumerate(tags)}
    for tag in taxonomy.tags:
        successor = tag
        while successor.replaced_by:
            successor = taxonomy.by_id[successor.replaced_by]
        if successor is not tag and successor.id in columns:
            columns[tag.id] = columns[successor.id]
    return columns


def _unknown(item: Item, name: str, taxonomy: Taxonomy) -> Fault:
    message = f"expects {name!r}, which {taxonomy.id}@{taxonomy.version} does not have"
    return Fault(Kind.UNKNOWN_TAG, message, row=item.row, id=item.id)

"""Hierarchy-aware precision, recall and F1: a near miss under the same parent is not as wrong as a far one."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from classifier_service.taxonomy import Taxonomy

Flags = NDArray[np.bool_]


def ancestry(taxonomy: Taxonomy) -> Flags:
    """bool (tags, tags) over the active tags: [i, j] where j is i itself or an ancestor of it."""
    columns = {tag.id: place for place, tag in enumerate(taxonomy.active)}
    matrix = np.eye(len(columns), dtype=bool)
    for place, tag in enumerate(taxonomy.active):
        seen = {tag.id}
        parent = tag.parent
        while parent and parent not in seen:
            seen.add(parent)
            if parent in columns:
                matrix[place, columns[parent]] = True
            parent = taxonomy.by_id[parent].parent if parent in taxonomy.by_id else ""
    return matrix


def with_ancestors(sets: Flags, ancestors: Flags) -> Flags:
    """Every set of tags with the ancestors of its tags (Kiritchenko, Matwin, Nock and Famili, 2006)."""
    found: Flags = (sets.astype(np.float32) @ ancestors.astype(np.float32)) > 0
    return found

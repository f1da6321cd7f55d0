"""Ranks the tags of a large taxonomy by likeness, for an engine that can be asked about a few only."""

from __future__ import annotations

from collections.abc import Collection

import numpy as np

from classifier_service.engines.embedded.likeness import Numbers
from classifier_service.engines.embedded.prototypes import Prototypes


def shortlist(alike: Numbers, prototypes: Prototypes, allowed: Collection[str], most: int) -> list[str]:
    """Ids of at most `most` allowed tags, the likeliest first.

    Half of the room is shared out evenly among the facets, so that a facet whose tags resemble little still has its
    best ones on the list; the rest goes to the likeliest. A listed tag brings its parent along while there is room.
    """
    tags = [prototype.tag for prototype in prototypes.of_tags]
    ranked = [int(row) for row in np.argsort(-alike, kind="stable") if tags[row].id in allowed]
    share = max(1, most // (2 * max(1, len(prototypes.groups))))
    reserved = [row for rows in prototypes.groups for row in _first(ranked, {int(row) for row in rows}, share)]

    listed: dict[str, None] = {}
    for row in [*reserved, *ranked]:
        for id in (tags[row].id, tags[row].parent):
            if id in allowed and len(listed) < most:
                listed[id] = None
    return [tags[row].id for row in ranked if tags[row].id in listed]


def _first(ranked: list[int], rows: set[int], count: int) -> list[int]:
    return [row for row in ranked if row in rows][:count]

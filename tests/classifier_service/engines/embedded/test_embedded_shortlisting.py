"""Which tags of a large taxonomy are put before an engine that cannot be asked about all."""

from __future__ import annotations

import numpy as np

from classifier_service.engines.embedded.prototypes import Prototype, Prototypes
from classifier_service.engines.embedded.shortlisting import shortlist
from classifier_service.taxonomy import Tag

EMPTY = np.empty((0, 384), dtype=np.float32)


def prototypes(*tags: Tag) -> Prototypes:
    facets = list(dict.fromkeys(tag.facet for tag in tags))
    groups = [np.flatnonzero([tag.facet == facet for tag in tags]) for facet in facets]
    return Prototypes([Prototype(tag, EMPTY, (), EMPTY, EMPTY, 0.0) for tag in tags], EMPTY, groups)


def test_the_likeliest_come_first() -> None:
    tags = prototypes(Tag("a", "A"), Tag("b", "B"), Tag("c", "C"))
    assert shortlist(np.array([0.1, 0.3, 0.2]), tags, {"a", "b", "c"}, most=2) == ["b", "c"]


def test_only_allowed_tags_are_listed() -> None:
    tags = prototypes(Tag("a", "A"), Tag("b", "B"))
    assert shortlist(np.array([0.1, 0.3]), tags, {"a"}, most=2) == ["a"]


def test_every_facet_is_given_room() -> None:
    tags = prototypes(*(Tag(f"m{i}", "M", "mood") for i in range(8)), Tag("p", "P", "place"))
    alike = np.array([0.9, 0.8, 0.7, 0.6, 0.5, 0.4, 0.3, 0.2, 0.1])
    listed = shortlist(alike, tags, {tag.id for tag in tags.tags}, most=4)
    assert listed == ["m0", "m1", "m2", "p"]


def test_a_listed_tag_brings_its_parent() -> None:
    tags = prototypes(Tag("parent", "P"), Tag("b", "B"), Tag("child", "C", parent="parent"))
    assert set(shortlist(np.array([0.0, 0.1, 0.9]), tags, {"parent", "b", "child"}, most=2)) == {"child", "parent"}

"""What a tag is compared by."""

from __future__ import annotations

import numpy as np

from classifier_service.engines.embedded.encoder import Encoder
from classifier_service.engines.embedded.prototypes import PrototypeCache, embed, phrases
from classifier_service.engines.embedded.scenes import Scenes
from classifier_service.taxonomy import Status, Tag, Taxonomy


def taxonomy(*tags: Tag) -> Taxonomy:
    return Taxonomy("t", "1.0.0", tags=tags)


def test_a_description_is_taken_apart_where_it_lists_things() -> None:
    assert phrases("Calm, peaceful scenes such as meditation, yoga and resting.") == [
        "Calm",
        "peaceful scenes",
        "meditation",
        "yoga",
        "resting",
    ]
    assert phrases("") == []


def test_deprecated_tags_have_no_prototype(encoder: Encoder, scenes: Scenes) -> None:
    old = Tag("a", "A", status=Status.DEPRECATED, replaced_by="b")
    assert [tag.id for tag in embed(taxonomy(old, Tag("b", "B")), encoder, scenes).tags] == ["b"]


def test_tags_are_grouped_by_facet(encoder: Encoder, scenes: Scenes) -> None:
    tags = (Tag("a", "Happy", "mood"), Tag("b", "City", "place"), Tag("c", "Sad", "mood"))
    assert [group.tolist() for group in embed(taxonomy(*tags), encoder, scenes).groups] == [[0, 2], [1]]


def test_a_tag_with_many_examples_has_a_higher_level_than_one_with_none(encoder: Encoder, scenes: Scenes) -> None:
    known, unknown = embed(taxonomy(Tag("a", "Happy"), Tag("b", "Invoice number")), encoder, scenes).of_tags
    assert known.borrowed
    assert not unknown.borrowed
    assert known.level > unknown.level


def test_a_taxonomy_without_tags_has_no_prototypes(encoder: Encoder, scenes: Scenes) -> None:
    assert embed(taxonomy(), encoder, scenes).centres.shape == (0, 384)


def test_every_part_of_a_tag_moves_its_centre(encoder: Encoder, scenes: Scenes) -> None:
    tags = (
        Tag("a", "Harbour"),
        Tag("b", "Harbour", description="Ships at a quay."),
        Tag("c", "Harbour", synonyms=("marina",)),
        Tag("d", "Harbour", examples=("A crane loads a freighter.",)),
        Tag("e", "Harbour", cues_for=("seagulls",)),
    )
    centres = embed(taxonomy(*tags), encoder, scenes).centres
    assert len(np.unique(centres.round(4), axis=0)) == len(tags)


def test_the_cache_knows_equal_content_by_its_digest(encoder: Encoder, scenes: Scenes) -> None:
    cache = PrototypeCache()
    assert cache.get(taxonomy(Tag("a", "A"))) is None
    kept = embed(taxonomy(Tag("a", "A")), encoder, scenes)
    cache.keep(taxonomy(Tag("a", "A")), kept)
    assert cache.get(taxonomy(Tag("a", "A"))) is kept
    assert cache.get(taxonomy(Tag("a", "Another"))) is None


def test_the_cache_forgets_what_went_unused_longest(encoder: Encoder, scenes: Scenes) -> None:
    cache = PrototypeCache(most_tags=2)
    first, second, third = (taxonomy(Tag("a", label)) for label in ("A", "B", "C"))
    for each in (first, second):
        cache.keep(each, embed(each, encoder, scenes))
    cache.get(first)
    cache.keep(third, embed(third, encoder, scenes))
    assert cache.get(second) is None
    assert cache.get(first) is not None

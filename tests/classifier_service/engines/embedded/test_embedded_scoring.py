"""How likeness becomes confidence."""

from __future__ import annotations

import itertools

import numpy as np
import pytest

from classifier_service.engines.embedded.coefficients import packaged_coefficients
from classifier_service.engines.embedded.encoder import Encoder, Vectors
from classifier_service.engines.embedded.likeness import combined, nearest, pull_of_cues
from classifier_service.engines.embedded.prototypes import Prototypes, embed
from classifier_service.engines.embedded.reading import read
from classifier_service.engines.embedded.scenes import Scenes
from classifier_service.engines.embedded.scoring import confidences, margins, score
from classifier_service.engines.embedded.summary_vectors import encode_summary
from classifier_service.taxonomy import Tag, Taxonomy

K = packaged_coefficients()
NO_VECTORS: Vectors = np.empty((0, 384), dtype=np.float32)


def groups(*sizes: int) -> Prototypes:
    edges = np.cumsum((0, *sizes))
    return Prototypes((), NO_VECTORS, [np.arange(low, high) for low, high in itertools.pairwise(edges)])


def scores(encoder: Encoder, scenes: Scenes, summary: str, *tags: Tag) -> dict[str, float]:
    prototypes = embed(Taxonomy("t", "1.0.0", tags=tags), encoder, scenes)
    vectors = encode_summary(summary, read(summary).passages, encoder)
    assert vectors is not None
    return dict(zip([tag.id for tag in tags], score(vectors, prototypes, scenes, K).confidences, strict=True))


def test_the_three_nearest_examples_count() -> None:
    assert nearest(np.array([0.1, 0.9, 0.2, 0.5])).tolist() == [0.2, 0.5, 0.9]
    assert nearest(np.array([0.1])).tolist() == [0.1]


def test_likeness_is_half_centre_half_examples_and_centre_alone_without_examples() -> None:
    assert combined(np.array(0.2), np.array([0.4, 0.4, 0.4, 0.0])) == pytest.approx(0.3)
    assert combined(np.array(0.2), np.array([])) == pytest.approx(0.2)


def test_only_a_cue_that_is_really_there_pulls() -> None:
    assert pull_of_cues(np.array([[0.1, 0.2]])) == 0.0
    assert pull_of_cues(np.empty((2, 0))) == 0.0
    assert pull_of_cues(np.array([[0.1], [0.6]])) == pytest.approx(0.1)


def test_facets_do_not_compete_with_each_other() -> None:
    alike = np.linspace(0.1, 0.5, 16)
    changed = alike.copy()
    changed[8:] += 0.2
    assert np.array_equal(margins(alike, groups(8, 8), 0.05)[:8], margins(changed, groups(8, 8), 0.05)[:8])


def test_the_only_tag_of_a_facet_is_not_confident_for_being_the_best() -> None:
    poor, good = np.array([0.2]), np.array([0.5])
    assert confidences(poor, 0.0, groups(1), K)[0] < 0.1
    assert confidences(good, 0.0, groups(1), K)[0] > 0.8


def test_an_imagined_rival_does_not_meet_a_full_facet() -> None:
    alike = np.full(8, 0.3)
    assert margins(alike, groups(8), 0.05) == pytest.approx(np.full(8, -0.05 * np.log(8)))


def test_few_words_must_resemble_more() -> None:
    alike = np.array([0.30, 0.1, 0.1, 0.1, 0.1, 0.1, 0.1, 0.1])
    enough, few = confidences(alike, 0.0, groups(8), K)[0], confidences(alike, 1.0, groups(8), K)[0]
    assert enough > K.threshold > few


def test_a_tag_fits_by_its_synonyms_and_examples_as_well(encoder: Encoder, scenes: Scenes) -> None:
    summary = "A potter shapes a tall vase on the wheel, then paints it blue and carries it to the kiln."
    other = Tag("other", "Logistics", description="Warehouses, parcels and lorries.")
    bare = scores(encoder, scenes, summary, Tag("x", "Item 4711"), other)["x"]
    for tag in (
        Tag("x", "Item 4711", synonyms=("pottery", "ceramics")),
        Tag("x", "Item 4711", examples=("Hands form a bowl of clay.",)),
    ):
        assert scores(encoder, scenes, summary, tag, other)["x"] > bare

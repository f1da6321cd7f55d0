"""The digest of a taxonomy."""

from __future__ import annotations

from dataclasses import replace

import pytest

from classifier_service.taxonomy import Facet, Role, Tag, Taxonomy, stated

TAG = Tag(id="a", label="A", labels={"de": "B", "fr": "C"}, synonyms=("x",))
TAXONOMY = Taxonomy(id="x", version="1.0.0", tags=(TAG,), facets=(Facet(id="mood"),))


def test_equal_content_has_an_equal_digest_whatever_holds_it() -> None:
    tag = replace(TAG, labels={"fr": "C", "de": "B"}, synonyms=["x"])
    assert replace(TAXONOMY, tags=[tag], facets=[Facet(id="mood")]).digest == TAXONOMY.digest


@pytest.mark.parametrize(
    "changed",
    [
        replace(TAXONOMY, version="1.0.1"),
        replace(TAXONOMY, facets=()),
        replace(TAXONOMY, tags=(replace(TAG, role=Role.GOOD_FOR),)),
        replace(TAXONOMY, tags=(replace(TAG, threshold=0.0),)),
        replace(TAXONOMY, tags=(replace(TAG, synonyms=("y",)),)),
        replace(TAXONOMY, tags=(replace(TAG, synonyms=(), examples=("x",)),)),
    ],
)
def test_any_change_of_content_changes_the_digest(changed: Taxonomy) -> None:
    assert changed.digest != TAXONOMY.digest


def test_what_is_at_its_default_leaves_no_trace_in_the_digest() -> None:
    """So a field that a later release adds to the format does not change the digest of older taxonomies."""
    assert stated(TAXONOMY) == {
        "id": "x",
        "version": "1.0.0",
        "tags": [{"id": "a", "label": "A", "labels": {"de": "B", "fr": "C"}, "synonyms": ["x"]}],
        "facets": [{"id": "mood"}],
    }

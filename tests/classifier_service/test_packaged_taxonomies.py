"""The taxonomies that ship with the service."""

from __future__ import annotations

import json
from collections import Counter
from importlib import resources
from pathlib import Path

import pytest

from classifier_service.taxonomy import Role, Select, Status, Taxonomy
from classifier_service.taxonomy_file import inspect_taxonomy
from classifier_service.taxonomy_store import TaxonomyStore

FILES = sorted(
    file.name
    for file in (resources.files("classifier_service") / "taxonomies").iterdir()
    if file.name.endswith(".yaml")
)
DIGESTS: dict[str, str] = json.loads(Path(__file__).with_name("packaged_digests.json").read_text())


@pytest.fixture(scope="module")
def store() -> TaxonomyStore:
    return TaxonomyStore.load()


@pytest.mark.parametrize("file", FILES)
def test_a_packaged_file_has_neither_faults_nor_warnings_and_is_named_after_its_id(file: str) -> None:
    text = (resources.files("classifier_service") / "taxonomies" / file).read_bytes()
    inspection = inspect_taxonomy(text, name=file)
    assert [str(fault) for fault in (*inspection.faults, *inspection.warnings)] == []
    assert inspection.taxonomy is not None
    assert file == f"{inspection.taxonomy.id}.yaml"


def test_content_changes_only_together_with_the_version(store: TaxonomyStore) -> None:
    """Who changes a packaged taxonomy raises its version and adds the new digest to packaged_digests.json.

    Published lines stay there for ever: answers name the version and digest they were made with.
    """
    served = {f"{taxonomy.id}@{taxonomy.version}": taxonomy.digest for taxonomy in store.all}
    assert {name: DIGESTS.get(name) for name in served} == served


def test_every_active_tag_is_described_richly_enough_to_be_found(store: TaxonomyStore) -> None:
    for taxonomy in store.all:
        for tag in taxonomy.active:
            assert tag.description.endswith("."), tag.id
            assert len(tag.synonyms) >= 3, tag.id
            assert 3 <= len(tag.examples) <= 5, tag.id
            assert tag.cues_for, tag.id
            assert tag.cues_against, tag.id


def test_no_sentence_stands_for_two_tags(store: TaxonomyStore) -> None:
    for taxonomy in store.all:
        sentences = Counter(text for tag in taxonomy.active for text in (tag.description, *tag.examples))
        assert [text for text, count in sentences.items() if count > 1] == []


def test_music_moods_holds_the_eight_original_tags(store: TaxonomyStore) -> None:
    labels = [tag.label for tag in store.find("music-moods").active]
    assert labels == ["Happy", "Sad", "Angry", "Fearful", "Nature", "World", "Love", "Funny"]


@pytest.fixture(scope="module")
def production(store: TaxonomyStore) -> Taxonomy:
    return store.find("production-music")


def test_production_music_covers_five_facets_with_60_to_100_tags(production: Taxonomy) -> None:
    assert 60 <= len(production.tags) <= 100
    assert {tag.facet for tag in production.active} == {"mood", "theme", "genre", "energy", "setting"}
    select = {facet.id: facet.select for facet in production.facets}
    assert [facet for facet, how in select.items() if how is Select.ONE] == ["energy"]


def test_production_music_uses_every_part_of_the_format(production: Taxonomy) -> None:
    tags = production.tags
    assert {tag.facet for tag in tags if tag.role is Role.GOOD_FOR} == {"theme", "genre"}
    assert any(tag.parent for tag in tags)
    assert any(tag.excludes for tag in tags)
    assert any(tag.threshold is not None for tag in tags)
    assert any(tag.labels for tag in tags)
    assert any(tag.status is Status.DEPRECATED for tag in tags)
    codes = [tag.external["house_db"] for tag in tags]
    assert len(codes) == len(set(codes))

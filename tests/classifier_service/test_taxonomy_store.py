"""Taxonomies by id and version, from the package and from directories."""

from __future__ import annotations

from pathlib import Path

import pytest

from classifier_service.taxonomy import Tag, Taxonomy
from classifier_service.taxonomy_faults import FaultyTaxonomy
from classifier_service.taxonomy_store import TaxonomyStore
from classifier_service.taxonomy_yaml import MOST_BYTES
from vidtomusictags.rpc.failures import UnknownTaxonomy


def taxonomy(id: str, version: str, label: str = "A") -> Taxonomy:
    return Taxonomy(id=id, version=version, tags=(Tag(id="a", label=label),))


@pytest.fixture
def store() -> TaxonomyStore:
    versions = [
        ("moods", "1.0.0"),
        ("moods", "1.10.0"),
        ("moods", "1.9.0"),
        ("moods", "2.0.0-beta"),
        ("genres", "1.0.0"),
    ]
    return TaxonomyStore(taxonomy(id, version) for id, version in versions)


def test_a_bare_id_finds_the_newest_release(store: TaxonomyStore) -> None:
    assert store.find("moods").version == "1.10.0"


def test_a_version_can_be_named(store: TaxonomyStore) -> None:
    assert store.find("moods@1.9.0").version == "1.9.0"
    assert store.find("moods@2.0.0-beta").version == "2.0.0-beta"


def test_all_are_listed_by_id_then_newest_first(store: TaxonomyStore) -> None:
    listed = [f"{taxonomy.id}@{taxonomy.version}" for taxonomy in store.all]
    assert listed == ["genres@1.0.0", "moods@1.10.0", "moods@1.9.0", "moods@1.0.0", "moods@2.0.0-beta"]


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("mods", 'No taxonomy is called "mods". Did you mean moods? Served: genres, moods.'),
        ("xylophone", 'No taxonomy is called "xylophone". Served: genres, moods.'),
        ("", 'No taxonomy is called "". Served: genres, moods.'),
        ("a\nb", 'No taxonomy is called "a\\nb". Served: genres, moods.'),
        ("genres@1.0.1", 'Taxonomy genres has no version "1.0.1". Served: 1.0.0.'),
        ("genres@", 'Taxonomy genres has no version "". Served: 1.0.0.'),
    ],
)
def test_an_unknown_name_is_refused_with_what_there_is(store: TaxonomyStore, name: str, message: str) -> None:
    with pytest.raises(UnknownTaxonomy) as raised:
        store.find(name, field="classification.taxonomy_id")
    assert raised.value.message == message
    assert raised.value.field == "classification.taxonomy_id"


def test_a_long_list_of_taxonomies_is_cut() -> None:
    store = TaxonomyStore(taxonomy(f"t{i:02}", "1.0.0") for i in range(25))
    with pytest.raises(UnknownTaxonomy, match=r"t19 and 5 more\.$"):
        store.find("xylophone")


def test_one_content_may_be_loaded_twice_under_one_version() -> None:
    assert len(TaxonomyStore([taxonomy("moods", "1.0.0"), taxonomy("moods", "1.0.0")]).all) == 1


def test_two_contents_under_one_version_are_refused() -> None:
    with pytest.raises(FaultyTaxonomy) as raised:
        TaxonomyStore([taxonomy("moods", "1.0.0", "A"), taxonomy("moods", "1.0.0", "B")])
    assert raised.value.message == (
        "two different taxonomies call themselves moods@1.0.0; "
        "give the changed one a new version, or take one of the files away"
    )


def test_the_packaged_taxonomies_are_served_without_any_directory() -> None:
    assert [f"{taxonomy.id}@{taxonomy.version}" for taxonomy in TaxonomyStore.load().all] == [
        "music-moods@1.0.0",
        "production-music@1.0.0",
    ]


def test_files_of_directories_are_served_beside_them(tmp_path: Path) -> None:
    (tmp_path / "a.yaml").write_text("id: mine\nversion: 1.0.0\ntags: [{id: a, label: A}]\n")
    (tmp_path / "b.yml").write_text("id: music-moods\nversion: 7.0.0\ntags: [{id: a, label: A}]\n")
    (tmp_path / "notes.txt").write_text("not a taxonomy")
    (tmp_path / "folder.yaml").mkdir()
    store = TaxonomyStore.load([tmp_path])
    assert store.find("mine").version == "1.0.0"
    assert store.find("music-moods").version == "7.0.0"
    assert store.find("music-moods@1.0.0").version == "1.0.0"


def test_the_faults_of_all_files_are_told_at_once(tmp_path: Path) -> None:
    (tmp_path / "a.yaml").write_text("id: mine\ntags: [{id: a, label: A}]\n")
    (tmp_path / "b.yaml").write_bytes(b"#" * (MOST_BYTES + 10))
    with pytest.raises(FaultyTaxonomy) as raised:
        TaxonomyStore.load([tmp_path, tmp_path / "missing"])
    assert raised.value.message.splitlines() == [
        f"{tmp_path}/a.yaml:1: version is missing",
        f"{tmp_path}/b.yaml: is larger than 2 MiB",
        f"{tmp_path}/missing: is not a directory of taxonomies",
    ]


def test_a_file_that_changes_a_packaged_version_is_refused(tmp_path: Path) -> None:
    (tmp_path / "a.yaml").write_text("id: music-moods\nversion: 1.0.0\ntags: [{id: a, label: A}]\n")
    with pytest.raises(FaultyTaxonomy, match=r"music-moods@1\.0\.0; give the changed one a new version"):
        TaxonomyStore.load([tmp_path])

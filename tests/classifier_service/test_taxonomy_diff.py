"""What changed between two versions of a taxonomy."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from classifier_service.taxonomy import Facet, Select, Status, Tag, Taxonomy
from classifier_service.taxonomy_diff import Change, Changed, diff

JOY = Tag("joy", "Joy", "mood", description="People laugh.")
GRIEF = Tag("grief", "Grief", "mood", excludes=("joy",))
TOWN = Tag("town", "Town", "place")
OLD = Taxonomy("t", "1.0.0", facets=(Facet("mood"), Facet("place")), tags=(JOY, GRIEF, TOWN))


def changed(*tags: Tag, version: str = "1.1.0", facets: Sequence[Facet] = OLD.facets) -> Taxonomy:
    return replace(OLD, tags=tags, version=version, facets=facets)


def test_equal_contents_differ_in_nothing() -> None:
    found = diff(OLD, changed(JOY, GRIEF, TOWN, version="1.0.0"))
    assert found.is_empty
    assert (found.touched, found.advice) == ({}, ())


def test_a_changed_field_is_told_with_both_values_and_touches_its_tag_alone() -> None:
    found = diff(OLD, changed(replace(JOY, description="People laugh and sing."), GRIEF, TOWN))
    assert found.tags.changed == (Changed("joy", (Change("description", "People laugh.", "People laugh and sing."),)),)
    assert found.touched == {"joy": ("changed: description",)}
    assert found.advice == ()


def test_what_is_only_shown_touches_no_result() -> None:
    found = diff(OLD, changed(replace(JOY, labels={"de": "Freude"}, external={"db": "1"}), GRIEF, TOWN))
    assert [change.field for change in found.tags.changed[0].changes] == ["labels", "external"]
    assert found.touched == {}


def test_a_new_tag_touches_those_it_is_weighed_against() -> None:
    found = diff(OLD, changed(JOY, GRIEF, TOWN, Tag("calm", "Calm", "mood")))
    assert found.tags.added == ("calm",)
    assert found.touched == {
        "joy": ("calm joined its facet",),
        "grief": ("calm joined its facet",),
        "calm": ("added",),
    }


def test_a_removed_tag_touches_its_facet_and_should_have_been_deprecated() -> None:
    found = diff(OLD, changed(JOY, TOWN))
    assert found.tags.removed == ("grief",)
    assert found.touched == {"joy": ("grief left its facet",)}
    assert "deprecate it" in found.advice[0]


def test_a_deprecated_tag_leaves_its_facet() -> None:
    old = replace(GRIEF, status=Status.DEPRECATED, replaced_by="joy")
    found = diff(OLD, changed(JOY, old, TOWN))
    assert "grief left its facet" in found.touched["joy"]
    assert "grief" not in found.touched


def test_a_moved_tag_touches_both_facets() -> None:
    found = diff(OLD, changed(JOY, replace(GRIEF, facet="place"), TOWN))
    assert found.touched["joy"] == ("grief left its facet",)
    assert found.touched["town"] == ("grief joined its facet",)


def test_an_exclusion_touches_both_ends() -> None:
    found = diff(OLD, changed(JOY, replace(GRIEF, excludes=()), TOWN))
    assert found.touched == {
        "joy": ("grief excludes it, or no longer does",),
        "grief": ("changed: excludes",),
    }


def test_a_limit_of_a_facet_touches_all_its_tags() -> None:
    found = diff(OLD, changed(JOY, GRIEF, TOWN, facets=(Facet("mood", select=Select.ONE), Facet("place"))))
    assert set(found.touched) == {"joy", "grief"}


def test_another_order_is_told() -> None:
    found = diff(OLD, changed(GRIEF, JOY, TOWN))
    assert found.tags.reordered
    assert not found.tags.changed


def test_content_must_not_change_within_a_version() -> None:
    found = diff(OLD, changed(JOY, replace(GRIEF, label="Sorrow"), TOWN, version="1.0.0"))
    assert "must rise above 1.0.0" in found.advice[0]


def test_a_new_meaning_wants_a_new_id() -> None:
    found = diff(OLD, changed(replace(JOY, label="Rage", description="People shout."), GRIEF, TOWN))
    assert any("new id" in advice for advice in found.advice)


def test_two_taxonomies_are_not_two_versions() -> None:
    assert "two taxonomies" in diff(OLD, replace(OLD, id="other")).advice[0]

"""Include and exclude lists of a request."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from classifier_service.allowed_tags import allowed_tags
from classifier_service.taxonomy import Facet, Status, Tag, Taxonomy
from vidtomusictags.rpc.failures import InvalidRequest, UnknownTag

TAXONOMY = Taxonomy(
    id="moods",
    version="1.0.0",
    facets=(Facet(id="mood"), Facet(id="theme")),
    tags=(
        Tag(id="mood/happy", label="Happy", facet="mood"),
        Tag(id="mood/playful", label="Playful", facet="mood", parent="mood/happy"),
        Tag(id="mood/jolly", label="Jolly", facet="mood", status=Status.DEPRECATED, replaced_by="mood/merry"),
        Tag(id="mood/merry", label="Merry", facet="mood", status=Status.DEPRECATED, replaced_by="mood/happy"),
        Tag(id="theme/food", label="Food", facet="theme"),
        Tag(id="other", label="Other"),
    ),
)
ACTIVE = {"mood/happy", "mood/playful", "theme/food", "other"}


@pytest.mark.parametrize(
    ("include", "exclude", "allowed"),
    [
        pytest.param([], [], ACTIVE, id="all active tags where nothing is said"),
        pytest.param(["other"], [], {"other"}, id="a tag"),
        pytest.param(["mood"], [], {"mood/happy", "mood/playful"}, id="the active tags of a facet"),
        pytest.param(["mood", "other"], [], {"mood/happy", "mood/playful", "other"}, id="a facet and a tag"),
        pytest.param(["mood/happy"], [], {"mood/happy"}, id="a parent alone, not those below it"),
        pytest.param(["mood/jolly"], [], {"mood/happy"}, id="the last successor of a deprecated tag"),
        pytest.param([], ["theme"], ACTIVE - {"theme/food"}, id="all but a facet"),
        pytest.param([], ["mood/merry"], ACTIVE - {"mood/happy"}, id="all but the successor of a deprecated tag"),
        pytest.param(["mood"], ["mood/happy"], {"mood/playful"}, id="a facet without one of its tags"),
        pytest.param(["other", "other"], ["theme", "theme"], {"other"}, id="entries that are repeated"),
    ],
)
def test_tags_are_narrowed_to(include: Sequence[str], exclude: Sequence[str], allowed: set[str]) -> None:
    assert allowed_tags(TAXONOMY, include, exclude) == allowed


@pytest.mark.parametrize(
    ("include", "exclude", "field", "message"),
    [
        (
            ["mood/hapy"],
            [],
            "options.include",
            'No tag or facet of moods has the id "mood/hapy" (did you mean mood/happy?).',
        ),
        ([], ["thmee"], "options.exclude", 'No tag or facet of moods has the id "thmee" (did you mean theme?).'),
        (["", "ZZZ"], [], "options.include", 'No tag or facet of moods has the id "", "ZZZ".'),
        (
            ["x1", "x2", "x3", "x4", "x5", "x6", "x7"],
            [],
            "options.include",
            'No tag or facet of moods has the id "x1", "x2", "x3", "x4", "x5" and 2 more.',
        ),
    ],
)
def test_an_unknown_entry_is_refused_with_what_was_meant(
    include: Sequence[str], exclude: Sequence[str], field: str, message: str
) -> None:
    with pytest.raises(UnknownTag) as raised:
        allowed_tags(TAXONOMY, include, exclude)
    assert (raised.value.field, raised.value.message) == (field, message)


@pytest.mark.parametrize(
    ("include", "exclude", "field"),
    [(["mood"], ["mood"], "options.include"), ([], ["mood", "theme", "other"], "options.exclude")],
)
def test_lists_that_leave_no_tag_are_refused(include: Sequence[str], exclude: Sequence[str], field: str) -> None:
    with pytest.raises(InvalidRequest, match="No tag of moods is left by include and exclude") as raised:
        allowed_tags(TAXONOMY, include, exclude)
    assert raised.value.field == field

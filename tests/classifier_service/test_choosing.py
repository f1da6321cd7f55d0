"""Which of the scored tags an answer may hold."""

from __future__ import annotations

from typing import Any

from classifier_service.choosing import choose
from classifier_service.engines.engine import Question, ScoredTag
from classifier_service.taxonomy import Facet, Select, Tag, Taxonomy


def question(*tags: Tag, facets: tuple[Facet, ...] = (), **other: Any) -> Question:
    settings = {"allowed": frozenset(tag.id for tag in tags), "max_tags": 10, **other}
    return Question(summary="", taxonomy=Taxonomy("t", "1.0.0", tags=tags, facets=facets), **settings)


def scored(**confidences: float) -> list[ScoredTag]:
    return [ScoredTag(id, confidence, confidence) for id, confidence in confidences.items()]


def ids(asked: Question, default: float = 0.5, **confidences: float) -> list[str]:
    return [tag.id for tag in choose(scored(**confidences), asked, default).tags]


A, B, C = Tag("a", "A"), Tag("b", "B"), Tag("c", "C")


def test_tags_come_by_falling_confidence() -> None:
    assert ids(question(A, B, C), a=0.6, b=0.9, c=0.7) == ["b", "c", "a"]


def test_equal_confidences_keep_the_order_of_the_taxonomy() -> None:
    assert ids(question(A, B, C), c=0.6, b=0.6, a=0.6) == ["a", "b", "c"]


def test_the_question_decides_before_the_tag_and_the_tag_before_the_default() -> None:
    low = Tag("low", "Low", threshold=0.2)
    assert ids(question(A, low), a=0.3, low=0.3) == ["low"]
    assert ids(question(A, low, min_confidence=0.1), a=0.3, low=0.3) == ["a", "low"]
    assert ids(question(A, low, min_confidence=0.4), a=0.3, low=0.3) == []


def test_a_threshold_of_zero_is_a_threshold() -> None:
    assert ids(question(Tag("a", "A", threshold=0.0)), a=0.0) == ["a"]
    assert ids(question(A, min_confidence=0.0), a=0.0) == ["a"]


def test_only_allowed_tags_are_chosen() -> None:
    assert ids(question(A, B, allowed=frozenset({"b"})), a=0.9, b=0.8) == ["b"]


def test_of_tags_that_exclude_each_other_the_more_confident_stays() -> None:
    one_sided = Tag("a", "A", excludes=("b",))
    assert ids(question(one_sided, B), a=0.6, b=0.9) == ["b"]
    assert ids(question(one_sided, B), a=0.9, b=0.6) == ["a"]


def test_a_tag_that_was_itself_excluded_excludes_nothing() -> None:
    assert ids(question(A, Tag("b", "B", excludes=("a", "c")), C), a=0.9, b=0.8, c=0.7) == ["a", "c"]


def test_a_facet_that_selects_one_keeps_its_best() -> None:
    tags = (Tag("a", "A", "f"), Tag("b", "B", "f"), Tag("c", "C", "g"))
    facets = (Facet("f", select=Select.ONE), Facet("g"))
    assert ids(question(*tags, facets=facets), a=0.7, b=0.9, c=0.6) == ["b", "c"]


def test_a_facet_keeps_its_best_up_to_its_maximum() -> None:
    tags = (Tag("a", "A", "f"), Tag("b", "B", "f"), Tag("c", "C", "f"))
    assert ids(question(*tags, facets=(Facet("f", max=2),)), a=0.7, b=0.9, c=0.8) == ["b", "c"]


def test_a_parent_and_its_child_are_judged_each_by_itself() -> None:
    child = Tag("b", "B", parent="a")
    assert ids(question(A, child), a=0.6, b=0.9) == ["b", "a"]
    assert ids(question(A, child), a=0.4, b=0.9) == ["b"]


def test_no_more_than_max_tags() -> None:
    assert ids(question(A, B, C, max_tags=2), a=0.6, b=0.9, c=0.7) == ["b", "c"]


def test_max_tags_spares_the_best_tag_of_a_required_facet() -> None:
    tags = (Tag("a", "A", "f"), Tag("b", "B"), Tag("c", "C"))
    asked = question(*tags, facets=(Facet("f", required=True),), max_tags=2)
    assert ids(asked, a=0.6, b=0.9, c=0.7) == ["b", "a"]


def test_a_required_facet_without_a_tag_is_told_with_its_closest() -> None:
    tags = (Tag("a", "A", "f"), Tag("b", "B", "f"))
    choice = choose(scored(a=0.3, b=0.4), question(*tags, facets=(Facet("f", required=True),)), 0.5)
    assert [(missing.facet.id, missing.closest.id) for missing in choice.unanswered] == [("f", "b")]


def test_a_required_facet_of_which_nothing_is_allowed_is_not_demanded() -> None:
    asked = question(Tag("a", "A", "f"), B, facets=(Facet("f", required=True),), allowed=frozenset({"b"}))
    assert choose(scored(a=0.9, b=0.9), asked, 0.5).unanswered == ()

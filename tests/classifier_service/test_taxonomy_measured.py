"""Warnings that an encoder finds."""

from __future__ import annotations

from importlib.resources import files

import pytest

from classifier_service.engines.embedded.encoder import Encoder
from classifier_service.engines.embedded.weights import find_weights
from classifier_service.taxonomy import Status, Tag, Taxonomy
from classifier_service.taxonomy_measured import inspect_closely, near_duplicates, unreachable


@pytest.fixture(scope="module")
def encoder() -> Encoder:
    return Encoder(find_weights())


def messages(encoder: Encoder, *tags: Tag) -> list[str]:
    return [fault.message for fault in near_duplicates(Taxonomy("t", "1.0.0", tags=tags), encoder)]


SAME = [("Car", "Automobile"), ("Forest", "Woods"), ("Kids", "Children"), ("City", "Urban"), ("Sport", "Sports")]
DIFFERENT = [("Happy", "Sad"), ("Slow", "Fast"), ("Low", "Very Low"), ("Pop", "Corporate Pop"), ("Night", "Day")]


@pytest.mark.parametrize(("one", "other"), SAME)
def test_labels_that_mean_the_same_are_told(encoder: Encoder, one: str, other: str) -> None:
    (message,) = messages(encoder, Tag("first", one), Tag("second", other))
    assert message.startswith("tag second: label means nearly the same as that of tag first")


@pytest.mark.parametrize(("one", "other"), DIFFERENT)
def test_labels_that_mean_something_else_are_not(encoder: Encoder, one: str, other: str) -> None:
    assert messages(encoder, Tag("first", one), Tag("second", other)) == []


def test_descriptions_that_say_the_same_are_told_under_other_labels(encoder: Encoder) -> None:
    one = Tag("a", "Mirth", description="People laugh and dance together at a party.")
    other = Tag("b", "Revels", description="People are laughing and dancing together at a party.")
    (message,) = messages(encoder, one, other)
    assert "description means nearly the same" in message


def test_tags_of_different_facets_and_deprecated_tags_may_mean_the_same(encoder: Encoder) -> None:
    old = Tag("c", "Autos", status=Status.DEPRECATED, replaced_by="a")
    assert messages(encoder, Tag("a", "Car", "x"), Tag("b", "Automobile", "y"), old) == []


def test_a_threshold_out_of_reach_is_told() -> None:
    tags = tuple(Tag(f"t{n}", f"T{n}", threshold=threshold) for n, threshold in enumerate((0.7, 0.71, 1.0, None)))
    first, second = (fault.message for fault in unreachable(Taxonomy("t", "1.0.0", tags=tags)))
    assert first.startswith("tag t1: threshold 0.71 is out of reach of clips that the embedded captioner describes")
    assert second.startswith("tag t2: threshold 1 asks for certainty")


@pytest.mark.parametrize("name", ["music-moods", "production-music"])
def test_no_two_tags_of_the_packaged_taxonomies_mean_the_same(name: str) -> None:
    text = (files("classifier_service") / "taxonomies" / f"{name}.yaml").read_bytes()
    warnings = [str(warning) for warning in inspect_closely(text, name=name).warnings]
    assert not [warning for warning in warnings if "means nearly the same" in warning]


def test_warnings_come_with_lines_and_faults_come_first() -> None:
    text = "id: t\nversion: 1.0.0\ntags:\n  - {id: car, label: Car, description: A car drives by.}\n"
    double = text + "  - {id: auto, label: Automobile, description: Engines roar.}\n"
    warnings = inspect_closely(double, name="t.yaml").warnings
    assert [str(warning).partition(": tag")[0] for warning in warnings] == ["t.yaml:5"]
    assert inspect_closely("id: t\n", name="t.yaml").taxonomy is None

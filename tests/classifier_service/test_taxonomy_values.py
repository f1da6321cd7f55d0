"""Syntax, lengths, ranges and characters of the values of a taxonomy."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from classifier_service.taxonomy import Tag, Taxonomy
from classifier_service.taxonomy_rules import check_taxonomy
from classifier_service.taxonomy_values import MOST_TAGS

Findings = Callable[[str | bytes], list[str]]


def head(text: str = "") -> str:
    """What stands before the tags; they follow on line 4, or later by the lines of `text`."""
    return f"id: house-moods\nversion: 3.2.0\n{text}tags:\n"


ONE = "- id: mood/playful\n  label: Playful\n"
IDS = "id must be lower-case words of a-z and 0-9 joined by - _ or /"
LANGUAGES = "must be language tags such as en or pt-BR"


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        (f"id: House Moods\nversion: 1.0.0\ntags:\n{ONE}", f'1: {IDS}, not "House Moods"'),
        (f'id: " "\nversion: 1.0.0\ntags:\n{ONE}', "1: id is empty"),
        (head("language: english!\n") + ONE, '3: language must be a language tag such as en or pt-BR, not "english!"'),
        (head(f"title: {'b' * 501}\n") + ONE, "3: title is longer than 500 characters (501)"),
        (head(f"description: {'b' * 2001}\n") + ONE, "3: description is longer than 2000 characters (2001)"),
    ],
)
def test_a_value_of_the_taxonomy_out_of_bounds_is_named_with_its_line(
    text: str, fault: str, faults_in: Findings
) -> None:
    assert faults_in(text) == [f"house-moods.yaml:{fault}"]


@pytest.mark.parametrize("version", ["1", "1.0", "1.02.0", "v1.0.0", "1.0.0+7", "1.0.0-", "latest", "1.0.0-rc..1"])
def test_a_version_that_is_not_semantic_is_refused(version: str, faults_in: Findings) -> None:
    assert faults_in(f"id: x\nversion: {version}\ntags:\n{ONE}") == [
        f'house-moods.yaml:2: version must be a semantic version such as 1.2.0, not "{version}"'
    ]


@pytest.mark.parametrize("version", ["0.0.1", "10.20.30", "1.0.0-rc.1", '"2.0.0"'])
def test_semantic_versions_are_accepted(version: str, faults_in: Findings) -> None:
    assert faults_in(f"id: x\nversion: {version}\ntags:\n{ONE}") == []


@pytest.mark.parametrize(
    ("facet", "fault"),
    [
        ("id: Mood", f'facet Mood: {IDS}, not "Mood"'),
        ("id: mood, max: 0", "facet mood: max must be at least 1, not 0"),
        ("id: mood, max: -1", "facet mood: max must be at least 1, not -1"),
        (
            "id: mood, select: one, max: 2",
            "facet mood: max must be 1 or left out where select is one, not 2",
        ),
        ('id: mood, label: "a\\nb"', "facet mood: label holds the control character U+000A"),
    ],
)
def test_a_value_of_a_facet_out_of_bounds_is_named_with_its_line(facet: str, fault: str, faults_in: Findings) -> None:
    assert faults_in(head(f"facets: [{{{facet}}}]\n") + ONE) == [f"house-moods.yaml:3: {fault}"]


@pytest.mark.parametrize(
    ("tag", "fault"),
    [
        ("id: Happy, label: H", f'tag Happy: {IDS}, not "Happy"'),
        ("id: mood//x, label: H", f'tag mood//x: {IDS}, not "mood//x"'),
        ("id: happy-, label: H", f'tag happy-: {IDS}, not "happy-"'),
        ("id: '', label: H", "tag number 1: id is empty"),
        ('id: "a\\e[31m", label: H', f'tag number 1: {IDS}, not "a\\u001b[31m"'),
        (f"id: {'a' * 129}, label: H", "tag number 1: id is longer than 128 characters (129)"),
        ("id: a, label: ''", "tag a: label is empty"),
        ("id: a, label: {de: A}", 'tag a: label has no text in "en", the taxonomy\'s language'),
        ("id: a, label: {en: A, german!: B}", f'tag a: languages of label {LANGUAGES}, not "german!"'),
        ("id: a, label: {en: A, de: ''}", "tag a: label.de is empty"),
        ('id: a, label: "A\\tB"', "tag a: label holds the control character U+0009"),
        ('id: a, label: "A\\u202eB"', "tag a: label holds the control character U+202E"),
        (f"id: a, label: {'b' * 101}", "tag a: label is longer than 100 characters (101)"),
        (
            f"id: a, label: A, description: {'b' * 2001}",
            "tag a: description is longer than 2000 characters (2001)",
        ),
        (
            'id: a, label: A, description: "a\\0b"',
            "tag a: description holds the control character U+0000",
        ),
        ("id: a, label: A, synonyms: [a, '']", "tag a: entry 2 of synonyms is empty"),
        (f"id: a, label: A, synonyms: {['b'] * 51}", "tag a: synonyms may have at most 50 entries, not 51"),
        (f"id: a, label: A, examples: {['b'] * 21}", "tag a: examples may have at most 20 entries, not 21"),
        (
            f"id: a, label: A, examples: [{'b' * 501}]",
            "tag a: entry 1 of examples is longer than 500 characters (501)",
        ),
        ("id: a, label: A, cues: {against: [' ']}", "tag a: entry 1 of cues.against is empty"),
        ("id: a, label: A, threshold: 1.5", "tag a: threshold must be between 0 and 1, not 1.5"),
        ("id: a, label: A, threshold: -0.1", "tag a: threshold must be between 0 and 1, not -0.1"),
        ("id: a, label: A, threshold: .nan", "tag a: threshold must be between 0 and 1, not nan"),
        (
            "id: a, label: A, external: {house db: 1}",
            'tag a: names in external must be letters, digits and - _ . :, not "house db"',
        ),
        ("id: a, label: A, external: {db: ''}", "tag a: external.db is empty"),
    ],
)
def test_a_value_of_a_tag_out_of_bounds_is_named_with_its_line(tag: str, fault: str, faults_in: Findings) -> None:
    assert faults_in(head() + f"- {{{tag}}}\n") == [f"house-moods.yaml:4: {fault}"]


@pytest.mark.parametrize("id", ["happy", "mood/happy", "mood/very-happy", "2024/top_10", "a"])
def test_ids_may_hold_words_digits_and_slashes(id: str, faults_in: Findings) -> None:
    assert faults_in(head() + f'- {{id: "{id}", label: A}}\n') == []


@pytest.mark.parametrize("language", ["en", "de", "yue", "pt-BR", "zh-Hant-TW", "es-419"])
def test_language_tags_are_accepted(language: str, faults_in: Findings) -> None:
    assert faults_in(head(f"language: {language}\n") + ONE) == []


def test_more_than_5000_tags_are_refused_without_judging_them() -> None:
    tags = tuple(Tag(id="BAD", label="") for _ in range(MOST_TAGS + 1))
    faults = check_taxonomy(Taxonomy(id="x", version="1.0.0", tags=tags))
    assert [str(fault) for fault in faults] == ["inline taxonomy: there may be at most 5000 tags, not 5001"]


def test_more_than_100_facets_are_refused(faults_in: Findings) -> None:
    facets = "facets: [" + ", ".join(f"{{id: f{i}}}" for i in range(101)) + "]\n"
    assert faults_in(head(facets) + ONE) == ["house-moods.yaml:3: there may be at most 100 facets, not 101"]


def test_values_that_came_without_a_file_keep_no_space_around_them() -> None:
    """A file's are trimmed while it is read; elsewhere space would make two equal labels differ."""
    faults = check_taxonomy(Taxonomy(id="x", version="1.0.0", tags=(Tag(id="a", label="A "),)))
    assert [str(fault) for fault in faults] == ["inline taxonomy: tag a: label begins or ends with a space"]


def test_a_label_in_the_taxonomys_language_may_not_be_given_twice() -> None:
    faults = check_taxonomy(Taxonomy(id="x", version="1.0.0", tags=(Tag(id="a", label="A", labels={"en": "B"}),)))
    assert [str(fault) for fault in faults] == [
        'inline taxonomy: tag a: label in "en" is given twice: it is the taxonomy\'s language'
    ]

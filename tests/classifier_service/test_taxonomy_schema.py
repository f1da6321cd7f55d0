"""Keys and types of a taxonomy file."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from classifier_service.taxonomy import Role, Select, Status, Tag
from classifier_service.taxonomy_file import read_taxonomy

Findings = Callable[[str | bytes], list[str]]


def head(text: str = "") -> str:
    """What stands before the tags; they follow on line 4, or later by the lines of `text`."""
    return f"id: house-moods\nversion: 3.2.0\n{text}tags:\n"


ONE = "- id: mood/playful\n  label: Playful\n"


QUOTES = "; put it in quotes"
AS_LIST = "; write it as [one, two] or on lines that begin with -"
NO_VALUE = "has no value; fill it in or leave the key out"


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ("version: 1.0.0\ntags: [{id: a, label: A}]\n", "1: id is missing"),
        ("# moods\nid: x\ntags: [{id: a, label: A}]\n", "2: version is missing"),
        ("id: x\nversion: 1.0.0\n", "1: tags is missing"),
        (head() + "- id: mood/playful\n", "4: tag mood/playful: label is missing"),
        (head() + ONE + "- label: Playful\n", "6: tag number 2: id is missing"),
        (head("facets:\n- label: Mood\n") + ONE, "4: facet number 1: id is missing"),
    ],
)
def test_a_missing_key_is_named_with_the_line_of_what_lacks_it(text: str, fault: str, faults_in: Findings) -> None:
    assert faults_in(text) == [f"house-moods.yaml:{fault}"]


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        (head("titel: Moods\n") + ONE, "3: unknown key titel; did you mean title?"),
        (head("facets: [{id: mood, selekt: one}]\n") + ONE, "3: facet mood: unknown key selekt; did you mean select?"),
        ("- id: x\n", "1: the file must be a map of keys, not a list"),
        ("id: x\nversion: 1.0.0\ntags: happy\n", f'3: tags must be a list, not "happy"{AS_LIST}'),
        ("id: x\nversion: 1.0.0\ntags:\n", f"3: tags {NO_VALUE}"),
        (head() + "- happy\n", '4: tag number 1: it must be a map of keys, not "happy"'),
        (head() + "-\n", f"4: tag number 1: it {NO_VALUE}"),
        (head() + "- {id: 7, label: A}\n", f"4: tag number 1: id must be text, not the number 7{QUOTES}"),
    ],
)
def test_a_wrong_key_or_type_outside_of_tags_is_named_with_its_line(text: str, fault: str, faults_in: Findings) -> None:
    assert faults_in(text) == [f"house-moods.yaml:{fault}"]


@pytest.mark.parametrize(
    ("facet", "problem"),
    [
        ("select: two", 'select must be one or many, not "two"'),
        ("max: 1.5", "max must be a whole number, not the number 1.5"),
        ("max: true", "max must be a whole number, not true"),
        ("max: ", f"max {NO_VALUE}"),
        ("required: 1", "required must be true or false, not the number 1"),
    ],
)
def test_a_wrong_type_in_a_facet_is_named_with_its_line(facet: str, problem: str, faults_in: Findings) -> None:
    text = head(f"facets: [{{id: mood, {facet}}}]\n") + ONE
    assert faults_in(text) == [f"house-moods.yaml:3: facet mood: {problem}"]


@pytest.mark.parametrize(
    ("label", "problem"),
    [
        ("1984", f"label must be text, not the number 1984{QUOTES}"),
        ("true", f"label must be text, not true{QUOTES}"),
        ("[A]", "label must be text, not a list"),
        ("{en: A, de: 3}", f"label.de must be text, not the number 3{QUOTES}"),
    ],
)
def test_a_label_is_text_or_a_map_of_texts(label: str, problem: str, faults_in: Findings) -> None:
    assert faults_in(head() + f"- {{id: a, label: {label}}}\n") == [f"house-moods.yaml:4: tag a: {problem}"]


@pytest.mark.parametrize(
    ("line", "problem"),
    [
        ("descripton: x", "unknown key descripton; did you mean description?"),
        ("cues: {fro: [x]}", "unknown key cues.fro; did you mean for?"),
        ("colour: red", "unknown key colour"),
        ('"a\\nb": red', 'unknown key "a\\nb"'),
        ("synonyms: cheeky", f'synonyms must be a list, not "cheeky"{AS_LIST}'),
        (
            "examples: [A dog., Rex: a dog]",
            "entry 2 of examples must be text, not a map of keys; put text that holds a colon and a space in quotes",
        ),
        ("cues: [games]", "cues must be a map of keys, not a list"),
        ("cues: {for: [1]}", f"entry 1 of cues.for must be text, not the number 1{QUOTES}"),
        ("threshold: high", 'threshold must be a number, not "high"'),
        ("threshold: true", "threshold must be a number, not true"),
        ("external: [1]", "external must be a map of keys, not a list"),
        ("external: {db: true}", f"external.db must be text, not true{QUOTES}"),
        ("status: retired", 'status must be active or deprecated, not "retired"'),
        ("role: good-for", 'role must be describes or good_for, not "good-for"; did you mean good_for?'),
        # A key without a value is a slip, whatever it holds.
        ("description:", f"description {NO_VALUE}"),
        ("threshold:", f"threshold {NO_VALUE}"),
        ("status:", f"status {NO_VALUE}"),
        ("synonyms: [cheeky, ~]", f"entry 2 of synonyms {NO_VALUE}"),
    ],
)
def test_a_wrong_key_or_type_in_a_tag_is_named_with_its_line(line: str, problem: str, faults_in: Findings) -> None:
    assert faults_in(head() + ONE + f"  {line}\n") == [f"house-moods.yaml:6: tag mood/playful: {problem}"]


def test_only_id_version_and_the_id_and_label_of_tags_are_required() -> None:
    taxonomy = read_taxonomy("id: x\nversion: 1.0.0\ntags: [{id: a, label: A}]\n", name="x.yaml")
    assert taxonomy.tags == (Tag(id="a", label="A"),)
    assert (taxonomy.language, taxonomy.title, taxonomy.description, taxonomy.facets) == ("en", "", "", ())


def test_every_field_arrives() -> None:
    text = """
        id: house-moods
        version: 3.2.0
        language: de
        title: Haus
        description: Stimmungen
        facets:
          - {id: mood, label: Mood, description: What it feels like., select: one, max: 1, required: true}
        tags:
          - id: mood/happy
            facet: mood
            label: Fröhlich
          - id: mood/playful
            facet: mood
            label: {en: Playful, de: Verspielt}
            description: >
              Light, teasing energy;
              no threat.
            synonyms: [mischievous, yes]
            examples: [A puppy chases its tail.]
            cues: {for: [games], against: [menace]}
            parent: mood/happy
            excludes: [mood/sad]
            role: good_for
            threshold: 1
            external: {house_db: 10417, old: 010417, harvest_code: HAP-02}
          - {id: mood/sad, facet: mood, label: Traurig, status: deprecated, replaced_by: mood/happy}
    """
    taxonomy = read_taxonomy(text, name="x.yaml")
    facet, playful, sad = taxonomy.facets[0], taxonomy.tags[1], taxonomy.tags[2]
    assert (taxonomy.language, taxonomy.title, taxonomy.description) == ("de", "Haus", "Stimmungen")
    assert (facet.label, facet.description, facet.select, facet.max, facet.required) == (
        "Mood", "What it feels like.", Select.ONE, 1, True,
    )  # fmt: skip
    assert playful == Tag(
        id="mood/playful",
        label="Verspielt",
        facet="mood",
        labels={"en": "Playful"},
        description="Light, teasing energy; no threat.",
        synonyms=("mischievous", "yes"),
        examples=("A puppy chases its tail.",),
        cues_for=("games",),
        cues_against=("menace",),
        parent="mood/happy",
        excludes=("mood/sad",),
        role=Role.GOOD_FOR,
        threshold=1.0,
        external={"house_db": "10417", "old": "010417", "harvest_code": "HAP-02"},
    )
    assert (sad.status, sad.replaced_by) == (Status.DEPRECATED, "mood/happy")


def test_space_around_text_is_not_part_of_it() -> None:
    taxonomy = read_taxonomy('id: x\nversion: 1.0.0\ntags: [{id: a, label: "  A  "}]\n', name="x.yaml")
    assert taxonomy.tags[0].label == "A"

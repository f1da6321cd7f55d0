"""Whole files: all faults at once, and the way from YAML to a taxonomy and back."""

from __future__ import annotations

import random
import time
from collections.abc import Callable
from dataclasses import replace

import pytest

from classifier_service.taxonomy import Facet, Role, Select, Status, Tag, Taxonomy
from classifier_service.taxonomy_faults import FaultyTaxonomy
from classifier_service.taxonomy_file import dump_taxonomy, inspect_taxonomy, read_taxonomy
from classifier_service.taxonomy_rules import check_taxonomy
from vidtomusictags.rpc.failures import TaxonomyInvalid

Findings = Callable[[str | bytes], list[str]]

FAULTY = """\
id: house-moods
version: 3.2
facets:
  - {id: mood, select: one, max: 5}
tags:
  - id: mood/happy
    facet: mood
    label: Happy
    descripton: Laughter.
  - id: mood/playful
    facet: moood
    label: Playful
    threshold: 1.5
    parent: mood/hapy
    parent: mood/happy
  - id: mood/playful
    label: Cheeky
"""


def test_faults_of_every_kind_are_told_at_once_in_the_order_of_lines(faults_in: Findings) -> None:
    assert faults_in(FAULTY) == [
        'house-moods.yaml:2: version must be a semantic version such as 1.2.0, not "3.2"',
        "house-moods.yaml:4: facet mood: max must be 1 or left out where select is one, not 5",
        "house-moods.yaml:9: tag mood/happy: unknown key descripton; did you mean description?",
        'house-moods.yaml:11: tag mood/playful: facet names no facet of this taxonomy: "moood"; did you mean mood?',
        "house-moods.yaml:13: tag mood/playful: threshold must be between 0 and 1, not 1.5",
        'house-moods.yaml:14: tag mood/playful: parent names no tag of this taxonomy: "mood/hapy"; '
        "did you mean mood/happy?",
        "house-moods.yaml:15: tag mood/playful: key parent is written twice; the first is on line 14",
        "house-moods.yaml:16: tag mood/playful: id is used twice; the first is on line 10",
    ]


def test_one_failure_lists_all_faults_one_a_line() -> None:
    with pytest.raises(TaxonomyInvalid) as raised:
        read_taxonomy(FAULTY, name="house-moods.yaml")
    assert isinstance(raised.value, FaultyTaxonomy)
    assert len(raised.value.faults) == 8
    assert raised.value.message == "\n".join(str(fault) for fault in raised.value.faults)


def test_at_most_20_faults_are_shown_and_the_rest_is_counted() -> None:
    tags = "".join(f"- {{id: t{i}, label: T{i}, threshold: 2}}\n" for i in range(23))
    with pytest.raises(FaultyTaxonomy) as raised:
        read_taxonomy(f"id: x\nversion: 1.0.0\ntags:\n{tags}", name="x.yaml")
    lines = raised.value.message.splitlines()
    assert len(lines) == 21
    assert lines[19:] == ["x.yaml:23: tag t19: threshold must be between 0 and 1, not 2.0", "and 3 more"]


def test_a_tag_with_a_wrong_key_is_known_to_the_others_and_judged_no_further(faults_in: Findings) -> None:
    text = """\
id: x
version: 1.0.0
tags:
  - {id: a, label: A, statsu: deprecated, replaced_by: b}
  - {id: b, label: B, parent: a, threshold: 7}
  - {id: c, label: b}
"""
    assert faults_in(text) == [
        "house-moods.yaml:4: tag a: unknown key statsu; did you mean status?",
        "house-moods.yaml:5: tag b: threshold must be between 0 and 1, not 7.0",
        "house-moods.yaml:6: tag c: label is the same as that of tag b; the first is on line 5",
    ]


def test_a_wrong_key_at_the_top_does_not_make_every_facet_unknown(faults_in: Findings) -> None:
    text = """\
id: x
version: 1.0.0
language: de
fasets: [{id: mood}]
tags:
  - {id: a, label: {de: A}, facet: mood, threshold: 7}
"""
    assert faults_in(text) == [
        "house-moods.yaml:4: unknown key fasets; did you mean facets?",
        "house-moods.yaml:6: tag a: threshold must be between 0 and 1, not 7.0",
    ]


def test_a_file_whose_only_tag_is_wrong_is_not_said_to_be_empty_too(faults_in: Findings) -> None:
    text = "id: x\nversion: 1.0.0\nfacets: [{id: mood, required: true}]\ntags: [{id: 5, label: A}]\n"
    assert faults_in(text) == ["house-moods.yaml:4: tag number 1: id must be text, not the number 5; put it in quotes"]


def test_bytes_and_text_read_alike() -> None:
    text = "id: x\nversion: 1.0.0\ntags: [{id: a, label: Fröhlich}]\n"
    assert read_taxonomy(text, name="x") == read_taxonomy(text.encode(), name="x")


LETTERS = "abcXYZ 0159.,:;-…'\"#&*!|>%@`{}[]?\\/~=<éüßñ漢字кий👩‍👩‍👧ﷺ\u00a0\u200d\ufffe"
WORDS = [
    "yes",
    "no",
    "null",
    "~",
    "1e5",
    "0x1F",
    "010",
    "1_000",
    "12:30:00",
    ".5",
    "+1",
    "=",
    "<<",
    "- a",
    "? b",
    "2024-01-01",
]


def text(dice: random.Random, longest: int, *, lines: bool = False) -> str:
    """Text that a careless writer of YAML would break."""
    if dice.random() < 0.3:
        return dice.choice(WORDS)
    letters = LETTERS + "\n\t" * lines
    return "".join(dice.choice(letters) for _ in range(dice.randrange(1, longest))).strip() or "x"


def texts(dice: random.Random) -> tuple[str, ...]:
    return tuple(text(dice, 40) for _ in range(dice.randrange(3)))


def some_taxonomy(dice: random.Random) -> Taxonomy:
    """A sound taxonomy with anything that the format allows."""
    facets = tuple(
        Facet(
            id=f"f{i}",
            label=dice.choice(["", text(dice, 20)]),
            description=dice.choice(["", text(dice, 80, lines=True)]),
            select=dice.choice(list(Select)),
            max=dice.choice([None, 1]),
        )
        for i in range(dice.randrange(3))
    )
    tags = [Tag(id="t0", label="first")]
    for i in range(1, dice.randrange(2, 9)):
        deprecated = dice.random() < 0.2
        tags.append(
            Tag(
                id=f"t{i}",
                label=f"{text(dice, 30)}{i}",
                facet=dice.choice(["", *(facet.id for facet in facets)]),
                labels={language: text(dice, 30) for language in dice.sample(["de", "no", "pt-BR"], dice.randrange(3))},
                description=dice.choice(["", text(dice, 200, lines=True)]),
                synonyms=texts(dice),
                examples=texts(dice),
                cues_for=texts(dice),
                cues_against=texts(dice),
                parent=dice.choice(["", "t0"]),
                excludes=dice.choice([(), ("t1",)]) if i > 1 else (),
                role=dice.choice(list(Role)),
                threshold=dice.choice([None, 0.0, 1.0, 1e-07, dice.random()]),
                external={key: text(dice, 20) for key in dice.sample(["house_db", "id3", "7"], dice.randrange(3))},
                status=Status.DEPRECATED if deprecated else Status.ACTIVE,
                replaced_by="t0" if deprecated else "",
            )
        )
    return Taxonomy(
        id="some",
        version=f"{dice.randrange(20)}.0.{dice.randrange(20)}",
        tags=tuple(tags),
        facets=facets,
        title=dice.choice(["", text(dice, 40)]),
        description=dice.choice(["", text(dice, 200, lines=True)]),
    )


@pytest.mark.parametrize("seed", range(100))
def test_what_is_written_reads_back_equal(seed: int) -> None:
    taxonomy = some_taxonomy(random.Random(seed))
    assert [str(fault) for fault in check_taxonomy(taxonomy)] == []
    again = read_taxonomy(dump_taxonomy(taxonomy), name="again.yaml")
    assert again == taxonomy
    assert again.digest == taxonomy.digest


def test_what_is_written_leaves_out_defaults_and_reads_like_a_file_by_hand() -> None:
    taxonomy = Taxonomy(
        id="x",
        version="1.0.0",
        facets=(Facet(id="mood", select=Select.ONE),),
        tags=(
            Tag(
                id="a",
                facet="mood",
                label="Fröhlich",
                labels={"en": "Happy"},
                description="Laughter.",
                cues_for=("smiles",),
                threshold=0.5,
                external={"db": "010"},
            ),
        ),
        language="de",
    )
    assert dump_taxonomy(taxonomy) == (
        "id: x\n"
        "version: 1.0.0\n"
        "language: de\n"
        "facets:\n"
        "- id: mood\n"
        "  select: one\n"
        "tags:\n"
        "- id: a\n"
        "  facet: mood\n"
        "  label:\n"
        "    de: Fröhlich\n"
        "    en: Happy\n"
        "  description: Laughter.\n"
        "  cues:\n"
        "    for:\n"
        "    - smiles\n"
        "  threshold: 0.5\n"
        "  external:\n"
        "    db: '010'\n"
    )


def test_5000_tags_are_read_and_judged_in_reasonable_time() -> None:
    """0.7 s of processor time where this was written; ten times as much means that something grows with the square."""
    tag = Tag(
        id="t",
        label="",
        description="Moments in which people do the thing that this tag is named for.",
        examples=("A person does it in a garden.",) * 3,
    )
    tags = tuple(
        replace(tag, id=f"t{i}", label=f"T{i}", parent=f"t{i - i % 10}" if i % 10 else "") for i in range(5000)
    )
    written = dump_taxonomy(Taxonomy(id="x", version="1.0.0", tags=tags))
    started = time.process_time()
    inspection = inspect_taxonomy(written, name="x.yaml")
    assert time.process_time() - started < 7
    assert inspection.taxonomy is not None
    assert len(inspection.taxonomy.tags) == 5000


def test_5000_unknown_names_are_listed_in_reasonable_time() -> None:
    """The nearest name is only sought for the faults that are shown."""
    tags = tuple(Tag(id=f"tag-{i}", label=f"T{i}", parent=f"tga-{i}") for i in range(5000))
    started = time.process_time()
    failure = FaultyTaxonomy(check_taxonomy(Taxonomy(id="x", version="1.0.0", tags=tags)))
    assert time.process_time() - started < 10
    assert failure.message.count("did you mean") == 20

"""Rules between the tags and facets of a taxonomy."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from classifier_service.taxonomy import Status, Tag, Taxonomy
from classifier_service.taxonomy_faults import FaultyTaxonomy
from classifier_service.taxonomy_rules import check_taxonomy, refuse_faulty
from vidtomusictags.rpc.failures import TaxonomyInvalid

Findings = Callable[[str | bytes], list[str]]


def head(text: str = "") -> str:
    """What stands before the tags; they follow on line 4, or later by the lines of `text`."""
    return f"id: house-moods\nversion: 3.2.0\n{text}tags:\n"


MOOD = "facets: [{id: mood}]\n"


def chain(*links: str, key: str = "parent", more: str = "") -> str:
    """Tags t0 to tn on lines 4 onward, one a line, each naming the given tag."""
    return head() + "".join(
        f"- {{id: t{i}, label: T{i}{more}{f', {key}: {link}' if link else ''}}}\n" for i, link in enumerate(links)
    )


DEPRECATED = ", status: deprecated"


@pytest.mark.parametrize(
    ("text", "faults"),
    [
        (
            head() + "- {id: a, label: A}\n- {id: b, label: B}\n- {id: a, label: C}\n",
            ["6: tag a: id is used twice; the first is on line 4"],
        ),
        (
            head("facets:\n- id: mood\n- id: mood\n") + "- {id: a, label: A}\n",
            ["5: facet mood: id is used twice; the first is on line 4"],
        ),
        (head(MOOD) + "- {id: mood, label: A}\n", ["5: tag mood: id is also the id of a facet; choose another"]),
        (
            head() + "- {id: a, label: Happy}\n- {id: b, label: hAPPY}\n",
            ["5: tag b: label is the same as that of tag a; the first is on line 4"],
        ),
        (
            head(MOOD) + "- {id: a, facet: mood, label: Happy}\n- {id: b, facet: mood, label: Happy}\n",
            ["6: tag b: label is the same as that of tag a in facet mood; the first is on line 5"],
        ),
        (
            head(MOOD) + "- {id: a, facet: moods, label: A}\n",
            ['5: tag a: facet names no facet of this taxonomy: "moods"; did you mean mood?'],
        ),
        (
            chain("", "t00"),
            ['5: tag t1: parent names no tag of this taxonomy: "t00"; did you mean t0?'],
        ),
        (
            chain("", "[t0, happy]", key="excludes"),
            ['5: tag t1: excludes names no tag of this taxonomy: "happy"'],
        ),
        (
            chain("", "tt0", key="status: deprecated, replaced_by"),
            ['5: tag t1: replaced_by names no tag of this taxonomy: "tt0"; did you mean t0?'],
        ),
        (chain("t0"), ["4: tag t0: parent leads in a circle: t0 -> t0"]),
        (
            chain("t1", "t2", "t3", "t1"),
            ["5: tag t1: parent leads in a circle: t1 -> t2 -> t3 -> t1"],
        ),
        (
            chain("t1", "t0", "t3", "t2"),
            [
                "4: tag t0: parent leads in a circle: t0 -> t1 -> t0",
                "6: tag t2: parent leads in a circle: t2 -> t3 -> t2",
            ],
        ),
        (
            chain("t8", *(f"t{i}" for i in range(8))),
            ["4: tag t0: parent leads in a circle: t0 -> t8 -> t7 -> t6 -> t5 -> t4 -> … -> t0"],
        ),
        (
            chain("", "t2", "t1", key="status: deprecated, replaced_by"),
            ["5: tag t1: replaced_by leads in a circle: t1 -> t2 -> t1"],
        ),
        (
            chain("", *(f"t{i}" for i in range(11))),
            ["15: tag t11: there may be at most 10 levels of parents above a tag"],
        ),
        (chain("[t0]", key="excludes"), ["4: tag t0: excludes names the tag itself"]),
        (
            chain("", "t0", "t1, excludes: [t0]"),
            ["6: tag t2: excludes names t0, a parent of this tag"],
        ),
        (
            head() + "- {id: a, label: A, excludes: [b]}\n- {id: b, label: B, parent: a}\n",
            ["4: tag a: excludes names b, which has this tag as a parent"],
        ),
        (
            head() + "- {id: a, label: A}\n- {id: b, label: B, status: deprecated}\n",
            ["5: tag b: a deprecated tag must say replaced_by, the tag to use instead"],
        ),
        (
            head() + "- {id: a, label: A}\n- {id: b, label: B, replaced_by: a}\n",
            ["5: tag b: replaced_by needs status: deprecated"],
        ),
        (
            head("facets: [{id: mood, required: true}]\n") + "- {id: a, label: A}\n",
            ["3: facet mood: required must be false where the facet has no active tag, or every answer would fail"],
        ),
        ("id: x\nversion: 1.0.0\ntags: []\n", ["3: tags is empty"]),
        (
            chain("t1", "t0", key="status: deprecated, replaced_by"),
            [
                "3: there must be at least one tag that is active",
                "4: tag t0: replaced_by leads in a circle: t0 -> t1 -> t0",
            ],
        ),
    ],
)
def test_a_broken_rule_is_named_with_its_line(text: str, faults: list[str], faults_in: Findings) -> None:
    assert faults_in(text) == [f"house-moods.yaml:{fault}" for fault in faults]


@pytest.mark.parametrize(
    "text",
    [
        pytest.param(chain("", *(f"t{i}" for i in range(10))), id="ten levels of parents"),
        pytest.param(
            chain("", "t2", "t0", key="status: deprecated, replaced_by"), id="a successor that has one itself"
        ),
        pytest.param(
            head() + "- {id: a, label: Happy}\n- {id: b, label: Happy, status: deprecated, replaced_by: a}\n",
            id="a deprecated tag with the label of its successor",
        ),
        pytest.param(
            head("facets: [{id: mood}, {id: theme}]\n")
            + "- {id: a, facet: mood, label: Love}\n- {id: b, facet: theme, label: Love}\n",
            id="one label in two facets",
        ),
        pytest.param(chain("", "t0", "t0, excludes: [t1]"), id="siblings that exclude each other"),
        pytest.param(
            head("facets: [{id: mood, select: one, max: 1}]\n") + "- {id: a, label: A}\n", id="one of at most 1"
        ),
    ],
)
def test_what_only_looks_like_a_fault_passes(text: str, faults_in: Findings) -> None:
    assert faults_in(text) == []


def test_a_taxonomy_without_a_file_is_judged_by_the_same_rules() -> None:
    taxonomy = Taxonomy(
        id="Mine",
        version="1",
        tags=(
            Tag(id="a", label="A", parent="b", threshold=float("nan")),
            Tag(id="b", label="a", parent="a"),
            Tag(id="c", label="", status=Status.DEPRECATED),
        ),
    )
    assert [str(fault) for fault in check_taxonomy(taxonomy)] == [
        'inline taxonomy: id must be lower-case words of a-z and 0-9 joined by - _ or /, not "Mine"',
        'inline taxonomy: version must be a semantic version such as 1.2.0, not "1"',
        "inline taxonomy: tag a: threshold must be between 0 and 1, not nan",
        "inline taxonomy: tag c: label is empty",
        "inline taxonomy: tag b: label is the same as that of tag a",
        "inline taxonomy: tag c: a deprecated tag must say replaced_by, the tag to use instead",
        "inline taxonomy: tag a: parent leads in a circle: a -> b -> a",
    ]


def test_a_sound_taxonomy_is_not_refused() -> None:
    refuse_faulty(Taxonomy(id="x", version="1.0.0", tags=(Tag(id="a", label="A"),)), field="inline_taxonomy")


def test_a_faulty_taxonomy_of_a_request_is_refused_with_its_field() -> None:
    with pytest.raises(TaxonomyInvalid, match="inline taxonomy: tag a: label is empty") as raised:
        refuse_faulty(Taxonomy(id="x", version="1.0.0", tags=(Tag(id="a", label=""),)), field="inline_taxonomy")
    assert raised.value.field == "inline_taxonomy"
    assert (raised.value.code, raised.value.reason) == ("INVALID_ARGUMENT", "TAXONOMY_INVALID")


def test_the_message_of_a_refusal_fits_into_trailers_whatever_the_taxonomy_holds() -> None:
    tags = tuple(Tag(id=f"t{i}", label="A", parent="語" * 5000) for i in range(1000))
    with pytest.raises(FaultyTaxonomy) as raised:
        refuse_faulty(Taxonomy(id="x", version="1.0.0", tags=tags), field="inline_taxonomy")
    assert len(raised.value.message.encode()) < 1300
    assert len(raised.value.faults) == 1999, "each parent is unknown, and each label but the first is a repetition"
    assert raised.value.message.endswith("more")

"""Taxonomies as tables and as SKOS: there and back, and what others write."""

from __future__ import annotations

import random
from dataclasses import replace
from typing import Any

import pytest

from classifier_service.taxonomy import Facet, Role, Select, Status, Tag, Taxonomy
from classifier_service.taxonomy_csv import from_csv, to_csv
from classifier_service.taxonomy_rules import check_taxonomy
from classifier_service.taxonomy_skos import from_skos, to_skos
from classifier_service.taxonomy_store import TaxonomyStore
from vidtomusictags.rpc.failures import TaxonomyInvalid

EVERYTHING = Taxonomy(
    id="house-moods",
    version="3.2.0-beta.1",
    language="de",
    title="Häuser & \"Stimmungen\"",
    description="Zwei\nZeilen; mit, Zeichen",
    facets=(
        Facet("mood", "Stimmung", "Was fühlt man?", select=Select.MANY, max=3, required=True),
        Facet("place", select=Select.ONE),
    ),
    tags=(
        Tag(
            id="mood/playful",
            label="=Verspielt",
            facet="mood",
            labels={"en": "Playful", "pt-BR": "Brincalhão"},
            description="-Leicht, 'neckisch'\n+ ohne Drohung.",
            synonyms=("frech", "@neckisch", "a\\nb", "'=x"),
            examples=("Ein Hund,\nder seinen Schwanz jagt.", "Zweite; Zeile"),
            cues_for=("Spiele",),
            cues_against=("Trauer", "Gefahr"),
            parent="mood/happy",
            excludes=("mood/sad",),
            role=Role.GOOD_FOR,
            threshold=0.1 + 0.2,
            external={"house_db": "010417", "id3": "TMOO=1"},
        ),
        Tag("mood/happy", "\N{GRINNING FACE} \u0633\u0639\u064a\u062f", "mood"),
        Tag("mood/sad", "Traurig", "mood", threshold=0.0),
        Tag("mood/old", "Alt", "mood", status=Status.DEPRECATED, replaced_by="mood/happy"),
        Tag("loose", "Lose"),
    ),
)  # fmt: skip


def unordered(taxonomy: Taxonomy) -> Taxonomy:
    """With the texts of each tag sorted: RDF has no order."""
    lists = ("synonyms", "examples", "cues_for", "cues_against", "excludes")

    def sort(tag: Tag) -> Tag:
        ordered: dict[str, Any] = {name: tuple(sorted(getattr(tag, name))) for name in lists}
        return replace(tag, **ordered)

    return replace(taxonomy, tags=tuple(map(sort, taxonomy.tags)))


def taxonomies() -> list[Taxonomy]:
    return [EVERYTHING, *TaxonomyStore.load().all]


def test_the_sample_uses_every_field() -> None:
    assert check_taxonomy(EVERYTHING) == []


@pytest.mark.parametrize("taxonomy", taxonomies(), ids=lambda one: one.id)
def test_a_table_gives_back_the_same_taxonomy(taxonomy: Taxonomy) -> None:
    back = from_csv(to_csv(taxonomy))
    assert back == taxonomy
    assert back.digest == taxonomy.digest


@pytest.mark.parametrize("suffix", ["ttl", "nt", "rdf"])
@pytest.mark.parametrize("taxonomy", taxonomies(), ids=lambda one: one.id)
def test_skos_gives_back_the_same_taxonomy_but_for_the_order_of_texts(taxonomy: Taxonomy, suffix: str) -> None:
    back = from_skos(to_skos(taxonomy, suffix=suffix), suffix=suffix)
    assert unordered(back) == unordered(taxonomy)


def test_random_texts_survive_a_table() -> None:
    rng = random.Random(5)
    letters = "ab,;\t'\"=+-@\\n |\u00e4\u4e00\N{GRINNING FACE}"
    for _ in range(200):
        texts = tuple("x" + "".join(rng.choices(letters, k=rng.randint(0, 6))).strip() for _ in range(3))
        tag = Tag("a", texts[0], description="".join(rng.choices(letters, k=8)).strip(), synonyms=texts, examples=texts)
        taxonomy = Taxonomy("t", "1.0.0", tags=(tag,))
        assert from_csv(to_csv(taxonomy)) == taxonomy


def test_no_cell_of_a_table_is_a_formula() -> None:
    import csv
    import io

    cells = [cell for row in csv.reader(io.StringIO(to_csv(EVERYTHING))) for cell in row]
    assert not [cell for cell in cells if cell.startswith(("=", "+", "-", "@", "\t"))]


@pytest.mark.parametrize("mark", [",", ";", "\t"])
def test_an_editors_plain_list_is_read(mark: str) -> None:
    lines = ["id,label,threshold,synonyms", "calm,Calm,0.5,", "", "storm,Storm,,loud"]
    text = "\ufeff" + "\r\n".join(lines).replace(",", mark)
    taxonomy = from_csv(text, id="mine")
    assert taxonomy == Taxonomy(
        "mine", "1.0.0", tags=(Tag("calm", "Calm", threshold=0.5), Tag("storm", "Storm", synonyms=("loud",)))
    )
    assert check_taxonomy(taxonomy) == []


def test_a_decimal_comma_is_understood() -> None:
    assert from_csv("id;label;threshold\ncalm;Calm;0,55\n").tags[0].threshold == 0.55


BAD_TABLES = {
    "nothing": ("", "line 1"),
    "no label": ("id,name\n", "not name"),
    "unknown column": ("id,label,mood\n", "not mood"),
    "unknown kind": ("kind,id,label\ntags,a,A\n", "line 2: kind"),
    "unknown role": ("id,label,role\na,A,b\n", "line 2"),
    "no number": ("id,label,threshold\na,A,high\n", "line 2"),
    "neither true nor false": ("kind,id,label,required\nfacet,a,A,perhaps\n", "line 2: required"),
    "a cell without end": ('id,label\na,"' + "x" * 200_000, "line"),
}


@pytest.mark.parametrize(("text", "said"), BAD_TABLES.values(), ids=BAD_TABLES.keys())
def test_what_is_no_such_table_is_told_with_its_line(text: str, said: str) -> None:
    with pytest.raises(TaxonomyInvalid, match=said):
        from_csv(text)


FOREIGN = """
@prefix skos: <http://www.w3.org/2004/02/skos/core#> .
@prefix ex: <http://vocab.example/moods/> .
ex:scheme a skos:ConceptScheme .
ex:JoyfulMood a skos:Concept ; skos:inScheme ex:scheme ;
  skos:prefLabel "Joyful"@en, "Fröhlich"@de ; skos:altLabel "cheerful"@en, "heiter"@de ; skos:broader ex:Mood_1 .
ex:Mood_1 a skos:Concept ; skos:inScheme ex:scheme ; skos:prefLabel "Mood"@en ; skos:definition "Any mood."@en .
"""


def test_a_foreign_scheme_is_read_with_ids_made_to_fit() -> None:
    taxonomy = from_skos(FOREIGN, id="moods")
    assert check_taxonomy(taxonomy) == []
    assert taxonomy.by_id["joyfulmood"] == Tag(
        "joyfulmood", "Joyful", labels={"de": "Fröhlich"}, synonyms=("cheerful",), parent="mood-1"
    )
    assert taxonomy.by_id["mood-1"].description == "Any mood."


BAD_GRAPHS = [
    "",
    "nonsense {",
    "<a> <b> <c> .",
    FOREIGN + "ex:other a skos:ConceptScheme .",
    FOREIGN.split("ex:Joyful", maxsplit=1)[0],
]


@pytest.mark.parametrize("text", BAD_GRAPHS)
def test_what_is_no_such_scheme_is_told(text: str) -> None:
    with pytest.raises(TaxonomyInvalid):
        from_skos(text)


def test_external_entities_of_xml_are_not_read(tmp_path: object) -> None:
    xml = f"""<?xml version="1.0"?><!DOCTYPE r [<!ENTITY x SYSTEM "file://{__file__}">]>
    <rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#" xmlns:skos="http://www.w3.org/2004/02/skos/core#">
    <skos:ConceptScheme rdf:about="urn:s"/>
    <skos:Concept rdf:about="urn:a"><skos:prefLabel xml:lang="en">A&x;</skos:prefLabel></skos:Concept></rdf:RDF>"""
    try:
        taxonomy = from_skos(xml, suffix="rdf")
    except TaxonomyInvalid:
        return
    assert "pytest" not in taxonomy.tags[0].label


def test_json_ld_is_refused_because_it_fetches() -> None:
    with pytest.raises(TaxonomyInvalid, match="jsonld"):
        from_skos("{}", suffix="jsonld")

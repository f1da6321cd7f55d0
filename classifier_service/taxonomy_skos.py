"""Taxonomies as SKOS concept schemes (W3C), for vocabularies that are kept in such a tool."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from typing import TypeVar
from urllib.parse import quote, unquote

from rdflib import DCTERMS, OWL, RDF, SKOS, Graph, Literal, Namespace, URIRef
from rdflib.term import Node

from classifier_service.taxonomy import Facet, Role, Select, Status, Tag, Taxonomy
from vidtomusictags.rpc.failures import TaxonomyInvalid

OURS = Namespace("https://vidtomusictags.example/taxonomy#")
"""For what SKOS has no words for: exclusions, thresholds, cues, the order of entries. Others' tools leave it alone."""
DEFAULT_BASE = "https://vidtomusictags.example/taxonomies/"
_Choice = TypeVar("_Choice", Select, Role)
_SUFFIX_FORMATS = {"ttl": "turtle", "nt": "nt", "rdf": "xml", "xml": "xml"}
"""JSON-LD is not read: its contexts are fetched from wherever a file says."""


def to_skos(taxonomy: Taxonomy, *, base: str = DEFAULT_BASE, suffix: str = "ttl") -> str:
    """A concept scheme whose concepts are the tags and whose collections are the facets.

    base: what IRIs begin with. suffix: ttl (Turtle), nt (N-Triples) or rdf (RDF/XML). `from_skos` gives an equal
    taxonomy, but for the order of texts within one tag: RDF has no order.
    """
    graph = Graph()
    for prefix, namespace in (("skos", SKOS), ("dcterms", DCTERMS), ("owl", OWL), ("vtmt", OURS)):
        graph.bind(prefix, namespace)
    scheme = URIRef(f"{base}{quote(taxonomy.id, safe='')}")
    graph.add((scheme, RDF.type, SKOS.ConceptScheme))
    graph.add((scheme, DCTERMS.identifier, Literal(taxonomy.id)))
    graph.add((scheme, OWL.versionInfo, Literal(taxonomy.version)))
    graph.add((scheme, DCTERMS.language, Literal(taxonomy.language)))
    _add_texts(graph, scheme, DCTERMS.title, [taxonomy.title], taxonomy.language)
    _add_texts(graph, scheme, DCTERMS.description, [taxonomy.description], taxonomy.language)
    for position, facet in enumerate(taxonomy.facets):
        _add_facet(graph, scheme, facet, position, taxonomy)
    for position, tag in enumerate(taxonomy.tags):
        _add_tag(graph, scheme, tag, position, taxonomy)
    text: str = graph.serialize(format=_format(suffix))
    return text


def from_skos(text: str, *, suffix: str = "ttl", id: str = "", version: str = "") -> Taxonomy:
    """Reads a concept scheme, ours or another's, unchecked; `taxonomy_rules.check_taxonomy` judges it.

    A concept's id is its notation, or else the end of its IRI, made to fit. id, version: of the taxonomy, where the
    scheme does not say them or others are wanted.
    Raises TaxonomyInvalid for what is no RDF, or holds none or several schemes, or no concept.
    """
    graph = Graph()
    try:
        graph.parse(data=text, format=_format(suffix))
    except Exception as error:  # each of rdflib's parsers has exceptions of its own
        raise TaxonomyInvalid(f"This is not RDF that can be read as .{suffix}: {str(error)[:200]}") from error
    schemes = sorted(graph.subjects(RDF.type, SKOS.ConceptScheme), key=str)
    if len(schemes) != 1:
        raise TaxonomyInvalid(f"There must be one skos:ConceptScheme, not {len(schemes)}.")
    scheme = schemes[0]
    language = _text(graph, scheme, DCTERMS.language) or "en"
    concepts = sorted(
        (node for node in graph.subjects(RDF.type, SKOS.Concept) if isinstance(node, URIRef)),
        key=lambda node: (_order(graph, node), str(node)),
    )
    if not concepts:
        raise TaxonomyInvalid("There is no skos:Concept in the scheme.")
    ids = {concept: _concept_id(graph, concept) for concept in concepts}
    collections = sorted(graph.subjects(RDF.type, SKOS.Collection), key=lambda node: (_order(graph, node), str(node)))
    facet_of = {
        member: _concept_id(graph, facet) for facet in collections for member in graph.objects(facet, SKOS.member)
    }
    return Taxonomy(
        id=id or _concept_id(graph, scheme),
        version=version or _text(graph, scheme, OWL.versionInfo) or "1.0.0",
        language=language,
        title=_text(graph, scheme, DCTERMS.title, language),
        description=_text(graph, scheme, DCTERMS.description, language),
        facets=tuple(_facet(graph, node, language) for node in collections),
        tags=tuple(_tag(graph, node, ids, facet_of.get(node, ""), language) for node in concepts),
    )


def _add_facet(graph: Graph, scheme: URIRef, facet: Facet, position: int, taxonomy: Taxonomy) -> None:
    node = URIRef(f"{scheme}/facet/{quote(facet.id, safe='')}")
    graph.add((node, RDF.type, SKOS.Collection))
    graph.add((node, SKOS.notation, Literal(facet.id)))
    graph.add((node, OURS.order, Literal(position)))
    graph.add((node, OURS.select, Literal(facet.select.value)))
    if facet.max is not None:
        graph.add((node, OURS.max, Literal(facet.max)))
    if facet.required:
        graph.add((node, OURS.required, Literal(True)))
    _add_texts(graph, node, SKOS.prefLabel, [facet.label], taxonomy.language)
    _add_texts(graph, node, SKOS.definition, [facet.description], taxonomy.language)
    for tag in taxonomy.tags:
        if tag.facet == facet.id:
            graph.add((node, SKOS.member, _concept(scheme, tag.id)))


def _add_tag(graph: Graph, scheme: URIRef, tag: Tag, position: int, taxonomy: Taxonomy) -> None:
    node, language = _concept(scheme, tag.id), taxonomy.language
    graph.add((node, RDF.type, SKOS.Concept))
    graph.add((node, SKOS.inScheme, scheme))
    graph.add((node, SKOS.notation, Literal(tag.id)))
    graph.add((node, OURS.order, Literal(position)))
    for key, label in {language: tag.label, **tag.labels}.items():
        graph.add((node, SKOS.prefLabel, Literal(label, lang=key)))
    _add_texts(graph, node, SKOS.altLabel, tag.synonyms, language)
    _add_texts(graph, node, SKOS.definition, [tag.description], language)
    _add_texts(graph, node, SKOS.example, tag.examples, language)
    _add_texts(graph, node, OURS.cueFor, tag.cues_for, language)
    _add_texts(graph, node, OURS.cueAgainst, tag.cues_against, language)
    if tag.parent:
        graph.add((node, SKOS.broader, _concept(scheme, tag.parent)))
    else:
        graph.add((node, SKOS.topConceptOf, scheme))
    for other in tag.excludes:
        graph.add((node, OURS.excludes, _concept(scheme, other)))
    if tag.role is not Role.DESCRIBES:
        graph.add((node, OURS.role, Literal(tag.role.value)))
    if tag.threshold is not None:  # as text: the Turtle writer rounds numbers
        graph.add((node, OURS.threshold, Literal(repr(tag.threshold))))
    for system, code in tag.external.items():
        graph.add((node, OURS.external, Literal(f"{system}={code}")))
    if tag.status is Status.DEPRECATED:
        graph.add((node, OWL.deprecated, Literal(True)))
        graph.add((node, DCTERMS.isReplacedBy, _concept(scheme, tag.replaced_by)))


def _add_texts(graph: Graph, node: URIRef, predicate: URIRef, texts: Iterable[str], language: str) -> None:
    for text in texts:
        if text:
            graph.add((node, predicate, Literal(text, lang=language)))


def _facet(graph: Graph, node: Node, language: str) -> Facet:
    most = _text(graph, node, OURS.max)
    return Facet(
        id=_concept_id(graph, node),
        label=_text(graph, node, SKOS.prefLabel, language),
        description=_text(graph, node, SKOS.definition, language),
        select=_one_of(Select, _text(graph, node, OURS.select), Select.MANY),
        max=int(most) if most.isdecimal() else None,
        required=_text(graph, node, OURS.required) == "true",
    )


def _tag(graph: Graph, node: URIRef, ids: dict[URIRef, str], facet: str, language: str) -> Tag:
    labels = {one.language: str(one) for one in graph.objects(node, SKOS.prefLabel) if isinstance(one, Literal)}
    own = labels.pop(language, None) or labels.pop(None, None) or next(iter(labels.values()), "")
    threshold = _text(graph, node, OURS.threshold)
    codes = (code.partition("=") for code in _texts(graph, node, OURS.external))
    parent = next((ids[one] for one in _linked(graph, node, SKOS.broader, ids)), "")
    successor = next((ids[one] for one in _linked(graph, node, DCTERMS.isReplacedBy, ids)), "")
    return Tag(
        id=ids[node],
        label=own,
        facet=facet,
        labels={str(key): label for key, label in sorted(labels.items(), key=lambda item: str(item[0])) if key},
        description=_text(graph, node, SKOS.definition, language),
        synonyms=_texts(graph, node, SKOS.altLabel, language),
        examples=_texts(graph, node, SKOS.example, language),
        cues_for=_texts(graph, node, OURS.cueFor, language),
        cues_against=_texts(graph, node, OURS.cueAgainst, language),
        parent=parent,
        excludes=tuple(sorted(ids[one] for one in _linked(graph, node, OURS.excludes, ids))),
        role=_one_of(Role, _text(graph, node, OURS.role), Role.DESCRIBES),
        threshold=float(threshold) if threshold else None,
        external={system: code for system, _, code in codes},
        status=Status.DEPRECATED if _text(graph, node, OWL.deprecated) == "true" else Status.ACTIVE,
        replaced_by=successor,
    )


def _linked(graph: Graph, node: Node, predicate: URIRef, ids: dict[URIRef, str]) -> Iterator[URIRef]:
    yield from (
        one for one in sorted(graph.objects(node, predicate), key=str) if isinstance(one, URIRef) and one in ids
    )


def _texts(graph: Graph, node: Node, predicate: URIRef, language: str = "") -> Sequence[str]:
    """Of that language, or of none."""
    found = [one for one in graph.objects(node, predicate) if isinstance(one, Literal)]
    return tuple(sorted(str(one) for one in found if not language or one.language in (language, None)))


def _text(graph: Graph, node: Node, predicate: URIRef, language: str = "") -> str:
    return next(iter(_texts(graph, node, predicate, language)), "")


def _order(graph: Graph, node: Node) -> int:
    written = _text(graph, node, OURS.order)
    return int(written) if written.isdecimal() else 1_000_000


def _concept(scheme: URIRef, id: str) -> URIRef:
    return URIRef(f"{scheme}/tag/{quote(id, safe='')}")


def _concept_id(graph: Graph, node: Node) -> str:
    """The notation or identifier, else the end of the IRI, in the letters that ids are made of."""
    written = _text(graph, node, SKOS.notation) or _text(graph, node, DCTERMS.identifier)
    if not written:
        written = unquote(re.split(r"[/#]", str(node).rstrip("/#"))[-1])
    words = [re.sub(r"[^a-z0-9]+", "-", part.casefold()).strip("-") for part in written.split("/")]
    joined = "/".join(word for word in words if word)
    return written if re.fullmatch(r"[a-z0-9/_-]+", written) else joined


def _one_of(kind: type[_Choice], written: str, default: _Choice) -> _Choice:
    return next((one for one in kind if one.value == written), default)


def _format(suffix: str) -> str:
    if suffix not in _SUFFIX_FORMATS:
        raise TaxonomyInvalid(f"SKOS is read and written as .{', .'.join(_SUFFIX_FORMATS)}, not .{suffix}.")
    return _SUFFIX_FORMATS[suffix]

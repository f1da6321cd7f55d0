"""What breaks no rule but weakens a taxonomy: missing descriptions, labels that read alike, boilerplate."""

from __future__ import annotations

import re
from collections.abc import Iterator

from classifier_service.taxonomy import Status, Tag, Taxonomy
from classifier_service.taxonomy_faults import Fault, Place, field_name, owner_name, quoted

_LEAD_IN = re.compile(r"(?:in )?(?:the|this|a) (?:video|clip|footage|film)\b", re.IGNORECASE)
_NOT_READ = re.compile(r"[\W_]+")


def taxonomy_warnings(taxonomy: Taxonomy) -> list[Fault]:
    """Advice on a taxonomy that passed its check, by facets and then tags. Deprecated tags are left alone."""
    return [*_of_facets(taxonomy), *_of_tags(taxonomy)]


def _of_facets(taxonomy: Taxonomy) -> Iterator[Fault]:
    used = {tag.facet for tag in taxonomy.active}
    for position, facet in enumerate(taxonomy.facets):
        if facet.id not in used:
            owner = owner_name("facet", facet.id, position)
            yield Fault(("facets", position), "no active tag belongs to it", owner)


def _of_tags(taxonomy: Taxonomy) -> Iterator[Fault]:
    by_label: dict[str, tuple[int, Tag]] = {}
    for position, tag in enumerate(taxonomy.tags):
        if tag.status is Status.ACTIVE:
            by_label.setdefault(_as_read(tag.label), (position, tag))
    for position, tag in enumerate(taxonomy.tags):
        if tag.status is Status.ACTIVE:
            yield from _of_tag(position, tag, taxonomy)
            yield from _of_names(position, tag, by_label)


def _of_tag(position: int, tag: Tag, taxonomy: Taxonomy) -> Iterator[Fault]:
    owner, place = owner_name("tag", tag.id, position), ("tags", position)
    words = len(tag.description.split())
    if words == 0:
        yield Fault(place, "has no description; say in one sentence what is seen in a video that deserves it", owner)
    elif words == 1:
        problem = f"description is one word, {quoted(tag.description)}; say in one sentence what is seen"
        yield Fault((*place, "description"), problem, owner)
    texts: list[tuple[Place, str]] = [((*place, "description"), tag.description)]
    texts += [((*place, "examples", entry), example) for entry, example in enumerate(tag.examples)]
    for where, text in texts:
        if found := _LEAD_IN.match(text):
            advice = "which makes tags look alike; begin with what is seen"
            problem = f"{field_name(where)} begins with {quoted(found[0])}, {advice}"
            yield Fault(where, problem, owner)
    if taxonomy.facets and not tag.facet:
        yield Fault(place, "has no facet, though the taxonomy has facets", owner)
    parent = taxonomy.by_id.get(tag.parent)
    if parent is not None and parent.status is Status.DEPRECATED:
        yield Fault((*place, "parent"), f"parent {parent.id} is deprecated; use {parent.replaced_by}", owner)


def _of_names(position: int, tag: Tag, by_label: dict[str, tuple[int, Tag]]) -> Iterator[Fault]:
    owner, place = owner_name("tag", tag.id, position), ("tags", position)
    first, other = by_label[_as_read(tag.label)]
    if first != position:
        problem = f"label {quoted(tag.label)} reads like {quoted(other.label)} of {owner_name('tag', other.id, first)}"
        yield Fault((*place, "label"), problem, owner, earlier=("tags", first, "label"))
    for entry, synonym in enumerate(tag.synonyms):
        first, other = by_label.get(_as_read(synonym), (position, tag))
        if first != position:
            problem = f"synonym {quoted(synonym)} reads like the label of {owner_name('tag', other.id, first)}"
            yield Fault((*place, "synonyms", entry), problem, owner)


def _as_read(label: str) -> str:
    """Case, spaces and punctuation are not heard."""
    return _NOT_READ.sub("", label.casefold()) or label

"""Reads a taxonomy from YAML and checks it, and writes one back."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace

import yaml
from pydantic import ValidationError

from classifier_service.taxonomy import Tag, Taxonomy, stated
from classifier_service.taxonomy_faults import Fault, FaultyTaxonomy, Place
from classifier_service.taxonomy_rules import check_taxonomy
from classifier_service.taxonomy_schema import shape, shape_faults, to_taxonomy
from classifier_service.taxonomy_values import value_faults
from classifier_service.taxonomy_warnings import taxonomy_warnings
from classifier_service.taxonomy_yaml import Document, read_document

_DUMPER = getattr(yaml, "CSafeDumper", yaml.SafeDumper)


@dataclass(frozen=True)
class Inspection:
    """What a file holds. taxonomy: None where there are faults. Faults and warnings are in the order of lines."""

    taxonomy: Taxonomy | None
    faults: Sequence[Fault]
    warnings: Sequence[Fault] = ()


def read_taxonomy(text: str | bytes, *, name: str) -> Taxonomy:
    """Reads and checks a taxonomy of at most 2 MiB of YAML.

    name: what faults call the file.
    Raises FaultyTaxonomy, a TaxonomyInvalid, with every fault.
    """
    inspection = inspect_taxonomy(text, name=name)
    if inspection.taxonomy is None:
        raise FaultyTaxonomy(inspection.faults)
    return inspection.taxonomy


def inspect_taxonomy(text: str | bytes, *, name: str) -> Inspection:
    """Reads a taxonomy and says all that is wrong or unwise; raises nothing for what the text holds.

    A tag whose keys or types are wrong is not judged further, and rules between tags wait while keys or types outside
    `tags` are wrong: what such a fault leads to would be told as a second fault.
    """
    document = read_document(text)
    faults, taxonomy = _judged(document)
    if taxonomy is None or faults:
        return Inspection(None, _by_line(faults, document, name))
    return Inspection(taxonomy, (), _by_line(taxonomy_warnings(taxonomy), document, name))


def dump_taxonomy(taxonomy: Taxonomy) -> str:
    """YAML that reads back to an equal taxonomy; what is at its default is left out."""
    content = {name: stated(getattr(taxonomy, name)) for name in _HEAD}
    written: dict[str, object] = {name: value for name, value in content.items() if value}
    written["tags"] = [_written_tag(tag, taxonomy.language) for tag in taxonomy.tags]
    return str(yaml.dump(written, Dumper=_DUMPER, sort_keys=False, allow_unicode=True, width=120))


_HEAD = ("id", "version", "language", "title", "description", "facets")
_BEFORE_LABEL = ("id", "facet")
_BEFORE_CUES = ("description", "synonyms", "examples")
_AFTER_CUES = ("parent", "excludes", "role", "threshold", "external", "status", "replaced_by")


def _written_tag(tag: Tag, language: str) -> dict[str, object]:
    content = stated(tag)
    assert isinstance(content, dict)
    written: dict[str, object] = {name: content[name] for name in _BEFORE_LABEL if name in content}
    written["label"] = {language: tag.label, **tag.labels} if tag.labels else tag.label
    written |= {name: content[name] for name in _BEFORE_CUES if name in content}
    cues = {"for": content.get("cues_for"), "against": content.get("cues_against")}
    if any(cues.values()):
        written["cues"] = {name: entries for name, entries in cues.items() if entries}
    return written | {name: content[name] for name in _AFTER_CUES if name in content}


def _by_line(faults: Iterable[Fault], document: Document, name: str) -> list[Fault]:
    located = (fault.located(name, document.line_of) for fault in faults)
    return sorted(located, key=lambda fault: fault.line or 0)


def _judged(document: Document) -> tuple[list[Fault], Taxonomy | None]:
    """All faults, and the taxonomy if its shape is right."""
    faults = list(document.faults)
    if document.data is None:
        return faults, None
    try:
        taxonomy = to_taxonomy(shape(document.data))
    except ValidationError as error:
        misshapen = list(shape_faults(error, document))
        return [*faults, *misshapen, *_faults_of_the_rest(document, misshapen)], None
    return [*faults, *check_taxonomy(taxonomy)], taxonomy


def _faults_of_the_rest(document: Document, misshapen: Sequence[Fault]) -> Iterator[Fault]:
    """What is wrong with the tags whose shape is right; between tags only if the shape of all outside `tags` is too."""
    data = document.data
    if not isinstance(data, dict) or not isinstance(tags := data.get("tags"), list):
        return
    left_out = {fault.place[1] for fault in misshapen if fault.place[:1] == ("tags",)}
    kept = [position for position in range(len(tags)) if position not in left_out]
    tags_kept = [tags[position] for position in kept]
    faults: Iterable[Fault]
    if all(fault.place[:1] == ("tags",) for fault in misshapen):
        ids = {tag.get("id") for tag in tags if isinstance(tag, dict)}
        elsewhere = frozenset(id for id in ids if isinstance(id, str))
        faults = check_taxonomy(to_taxonomy(shape({**data, "tags": tags_kept})), elsewhere=elsewhere)
    else:
        language = {"language": data["language"]} if isinstance(data.get("language"), str) else {}
        faults = value_faults(to_taxonomy(shape({**_STAND_IN, **language, "tags": tags_kept})))
    for fault in faults:
        place = _moved(fault.place, kept)
        earlier = _moved(fault.earlier, kept) if fault.earlier else None
        yield replace(fault, place=place, earlier=earlier, owner=document.owner_of(place))


_STAND_IN = {"id": "unread", "version": "0.0.0"}


def _moved(place: Place, kept: Sequence[int]) -> Place:
    """The place in the file of a place among the tags that were kept."""
    if place[0] == "tags" and len(place) > 1 and isinstance(place[1], int):
        return ("tags", kept[place[1]], *place[2:])
    return place

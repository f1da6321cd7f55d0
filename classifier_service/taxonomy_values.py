"""Rules for single values of a taxonomy: syntax, lengths, ranges, characters."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence

from classifier_service.taxonomy import Facet, Select, Tag, Taxonomy
from classifier_service.taxonomy_faults import Fault, Place, field_name, owner_name, quoted

MOST_TAGS = 5000
MOST_FACETS = 100
MOST_ENTRIES = 50
"""Synonyms, cues, exclusions, codes or languages of one tag."""
MOST_EXAMPLES = 20
LONGEST_NAME = 128
"""Ids and codes, in characters."""
LONGEST_LABEL = 100
"""Labels, synonyms and cues, in characters."""
LONGEST_SENTENCE = 500
LONGEST_TEXT = 2000
"""Descriptions, in characters."""

_SLUG = r"[a-z0-9]+(?:[-_][a-z0-9]+)*"
ID = re.compile(rf"{_SLUG}(?:/{_SLUG})*")
# https://semver.org, without build metadata: two builds of one version would have the same precedence.
_NUMBER = r"(?:0|[1-9][0-9]{0,8})"
_PRE = r"(?:0|[1-9][0-9]*|[0-9]*[a-zA-Z-][0-9a-zA-Z-]*)"
VERSION = re.compile(rf"({_NUMBER})\.({_NUMBER})\.({_NUMBER})(?:-({_PRE}(?:\.{_PRE})*))?")
# The well-formed langtags of RFC 5646 that start with an ISO 639 code, without the registry of subtags.
LANGUAGE = re.compile(r"[a-z]{2,3}(?:-[A-Za-z0-9]{2,8})*")
_CODE_SYSTEM = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.:-]*")

# Control characters, line and paragraph separators, byte-order marks, halves of surrogate pairs, and the marks that
# turn the direction of text, with which a label could pass for another.
_CONTROLS = "\x00-\x08\x0b-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e\u2066-\u2069\ufeff\ud800-\udfff"
_NOT_IN_PROSE = re.compile(f"[{_CONTROLS}]")
_NOT_IN_LABELS = re.compile(f"[\t\n{_CONTROLS}]")


def value_faults(taxonomy: Taxonomy) -> Iterator[Fault]:
    """Faults of the taxonomy's own values, then of each facet, then of each tag."""
    yield from _id(("id",), "", taxonomy.id)
    if not VERSION.fullmatch(taxonomy.version[:LONGEST_NAME]):
        problem = f"version must be a semantic version such as 1.2.0, not {quoted(taxonomy.version)}"
        yield Fault(("version",), problem)
    if not LANGUAGE.fullmatch(taxonomy.language[:LONGEST_NAME]):
        problem = f"language must be a language tag such as en or pt-BR, not {quoted(taxonomy.language)}"
        yield Fault(("language",), problem)
    yield from _line(("title",), "", taxonomy.title, most=LONGEST_SENTENCE, required=False)
    yield from _prose(("description",), "", taxonomy.description, most=LONGEST_TEXT)
    if len(taxonomy.facets) > MOST_FACETS:
        yield Fault(("facets",), f"there may be at most {MOST_FACETS} facets, not {len(taxonomy.facets)}")
    for position, facet in enumerate(taxonomy.facets[:MOST_FACETS]):
        yield from _facet(("facets", position), owner_name("facet", facet.id, position), facet)
    for position, tag in enumerate(taxonomy.tags):
        yield from _tag(("tags", position), owner_name("tag", tag.id, position), tag, taxonomy.language)


def _facet(place: Place, owner: str, facet: Facet) -> Iterator[Fault]:
    yield from _id((*place, "id"), owner, facet.id)
    yield from _line((*place, "label"), owner, facet.label, most=LONGEST_LABEL, required=False)
    yield from _prose((*place, "description"), owner, facet.description, most=LONGEST_TEXT)
    if facet.max is not None and facet.max < 1:
        yield Fault((*place, "max"), f"max must be at least 1, not {facet.max}", owner)
    elif facet.max is not None and facet.max > 1 and facet.select is Select.ONE:
        yield Fault((*place, "max"), f"max must be 1 or left out where select is one, not {facet.max}", owner)


def _tag(place: Place, owner: str, tag: Tag, language: str) -> Iterator[Fault]:
    yield from _id((*place, "id"), owner, tag.id)
    if tag.labels and not tag.label:
        problem = f"label has no text in {quoted(language)}, the taxonomy's language"
        yield Fault((*place, "label"), problem, owner)
    else:
        yield from _line((*place, "label"), owner, tag.label, most=LONGEST_LABEL)
    yield from _labels((*place, "label"), owner, tag.labels, language)
    yield from _prose((*place, "description"), owner, tag.description, most=LONGEST_TEXT)
    yield from _lines((*place, "synonyms"), owner, tag.synonyms)
    yield from _lines((*place, "cues", "for"), owner, tag.cues_for)
    yield from _lines((*place, "cues", "against"), owner, tag.cues_against)
    yield from _too_many((*place, "examples"), owner, len(tag.examples), most=MOST_EXAMPLES)
    for position, example in enumerate(tag.examples[:MOST_EXAMPLES]):
        yield from _prose((*place, "examples", position), owner, example, most=LONGEST_SENTENCE, required=True)
    yield from _too_many((*place, "excludes"), owner, len(tag.excludes))
    if tag.threshold is not None and not 0 <= tag.threshold <= 1:  # not-a-number fails this too
        problem = f"threshold must be between 0 and 1, not {tag.threshold}"
        yield Fault((*place, "threshold"), problem, owner)
    yield from _codes((*place, "external"), owner, tag.external)


def _labels(place: Place, owner: str, labels: Mapping[str, str], language: str) -> Iterator[Fault]:
    yield from _too_many(place, owner, len(labels))
    for key, label in list(labels.items())[:MOST_ENTRIES]:
        if key == language:
            yield Fault(place, f"label in {quoted(key)} is given twice: it is the taxonomy's language", owner)
        elif not LANGUAGE.fullmatch(key[:LONGEST_NAME]):
            problem = f"languages of label must be language tags such as en or pt-BR, not {quoted(key)}"
            yield Fault((*place, key), problem, owner)
        yield from _line((*place, key), owner, label, most=LONGEST_LABEL)


def _codes(place: Place, owner: str, codes: Mapping[str, str]) -> Iterator[Fault]:
    yield from _too_many(place, owner, len(codes))
    for system, code in list(codes.items())[:MOST_ENTRIES]:
        if not _CODE_SYSTEM.fullmatch(system) or len(system) > LONGEST_NAME:
            problem = f"names in external must be letters, digits and - _ . :, not {quoted(system)}"
            yield Fault((*place, system), problem, owner)
        yield from _line((*place, system), owner, code, most=LONGEST_NAME)


def _id(place: Place, owner: str, id: str) -> Iterator[Fault]:
    if not id.strip():
        yield Fault(place, "id is empty", owner)
    elif len(id) > LONGEST_NAME:
        yield Fault(place, f"id is longer than {LONGEST_NAME} characters ({len(id)})", owner)
    elif not ID.fullmatch(id):
        problem = f"id must be lower-case words of a-z and 0-9 joined by - _ or /, not {quoted(id)}"
        yield Fault(place, problem, owner)


def _line(place: Place, owner: str, text: str, *, most: int, required: bool = True) -> Iterator[Fault]:
    yield from _text(place, owner, text, most=most, required=required, forbidden=_NOT_IN_LABELS)


def _prose(place: Place, owner: str, text: str, *, most: int, required: bool = False) -> Iterator[Fault]:
    yield from _text(place, owner, text, most=most, required=required, forbidden=_NOT_IN_PROSE)


def _lines(place: Place, owner: str, texts: Sequence[str]) -> Iterator[Fault]:
    yield from _too_many(place, owner, len(texts))
    for position, text in enumerate(texts[:MOST_ENTRIES]):
        yield from _line((*place, position), owner, text, most=LONGEST_LABEL)


def _text(
    place: Place, owner: str, text: str, *, most: int, required: bool, forbidden: re.Pattern[str]
) -> Iterator[Fault]:
    if required and not text.strip():
        yield Fault(place, f"{field_name(place)} is empty", owner)
    elif len(text) > most:
        yield Fault(place, f"{field_name(place)} is longer than {most} characters ({len(text)})", owner)
    elif found := forbidden.search(text):
        yield Fault(place, f"{field_name(place)} holds the control character U+{ord(found[0]):04X}", owner)
    elif text != text.strip():
        yield Fault(place, f"{field_name(place)} begins or ends with a space", owner)


def _too_many(place: Place, owner: str, count: int, *, most: int = MOST_ENTRIES) -> Iterator[Fault]:
    if count > most:
        yield Fault(place, f"{field_name(place)} may have at most {most} entries, not {count}", owner)

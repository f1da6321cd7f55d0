"""Builds what a model is sent: instructions and vocabulary first, the same bytes in every call; the summary last."""

from __future__ import annotations

import json
from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass

from classifier_service.engines.instructor.fencing import as_data, as_line
from classifier_service.prompts import Template
from classifier_service.taxonomy import Facet, Role, Select, Tag, Taxonomy

_CAPACITY = 16


@dataclass(frozen=True)
class Message:
    """One turn of the conversation. role: "system", "user" or "assistant"."""

    role: str
    content: str


class PromptBuilder:
    """Builds prompts from one template. The static part is kept for the taxonomies used last."""

    def __init__(self, template: Template) -> None:
        self._template = template
        self._static: OrderedDict[tuple[str, bool], str] = OrderedDict()

    def build(
        self, taxonomy: Taxonomy, summary: str, shortlist: Sequence[Tag] | None = None, segments: Sequence[str] = ()
    ) -> list[Message]:
        """A system message that depends on template and taxonomy alone, and a user message that ends with the summary.

        segments: texts that make up the summary and are to be judged one by one, too.
        shortlist: the tags to choose from; None: all that are active. Shortlisted tags differ from call to call, so
        they stand in the user message: providers cache the longest common beginning of prompts.
        """
        system = Message("system", self._system(taxonomy, whole=shortlist is None))
        chosen = "" if shortlist is None else f"Tags:\n{tag_lines(shortlist)}\n\n"
        numbered = [f'<segment number="{n}">\n{as_data(one)}\n</segment>' for n, one in enumerate(segments, start=1)]
        text = "\n".join(numbered) or as_data(summary)
        return [system, Message("user", f"{chosen}<summary>\n{text}\n</summary>")]

    def _system(self, taxonomy: Taxonomy, *, whole: bool) -> str:
        key = (taxonomy.digest, whole)
        text = self._static.pop(key, None) or self._written(taxonomy, whole=whole)
        self._static[key] = text
        while len(self._static) > _CAPACITY:
            self._static.popitem(last=False)
        return text

    def _written(self, taxonomy: Taxonomy, *, whole: bool) -> str:
        parts = [self._template.business_context, self._template.instructions]
        if taxonomy.facets:
            parts.append("Facets:\n" + "\n".join(_line(_facet(facet)) for facet in taxonomy.facets))
        parts.append(f"Tags:\n{tag_lines(taxonomy.active)}" if whole else "The tags stand before the summary.")
        return "\n\n".join(parts)


def tag_lines(tags: Sequence[Tag]) -> str:
    """One JSON object to a line, in the order of the tags."""
    return "\n".join(_line(_tag(tag)) for tag in tags)


def _facet(facet: Facet) -> dict[str, object]:
    at_most = 1 if facet.select is Select.ONE else facet.max
    return {
        "facet": facet.id,
        "label": as_line(facet.label) if facet.label != facet.id else "",
        "question": as_line(facet.description),
        "at_most": at_most,
        "required": facet.required,
    }


def _tag(tag: Tag) -> dict[str, object]:
    return {
        "id": tag.id,
        "label": as_line(tag.label),
        "facet": tag.facet,
        "description": as_line(tag.description),
        "synonyms": [as_line(text) for text in tag.synonyms],
        "signs": [as_line(text) for text in tag.cues_for],
        "against": [as_line(text) for text in tag.cues_against],
        "narrower_than": tag.parent,
        "not_with": list(tag.excludes),
        "use": "the clip is good for it, rather than shows it" if tag.role is Role.GOOD_FOR else "",
    }


def _line(fields: dict[str, object]) -> str:
    """Without empty fields: they cost tokens and say nothing."""
    return json.dumps({name: value for name, value in fields.items() if value}, ensure_ascii=False)

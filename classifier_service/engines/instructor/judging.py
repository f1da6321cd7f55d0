"""Judges a model's answer against taxonomy and summary: what stands, and what is wrong with the rest, in words."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from itertools import accumulate

from classifier_service.choosing import least_confidence
from classifier_service.engines.engine import Question, ScoredTag, Span
from classifier_service.engines.instructor.answer_form import Draft, DraftTag
from classifier_service.engines.instructor.quotes import QuotedSummary
from classifier_service.taxonomy import Tag
from classifier_service.taxonomy_faults import quoted

MOST_PHRASES = 5
DEFAULT_THRESHOLD = 0.5
"""Below it, a model that was told what a confidence means holds that an editor would rather leave the tag out."""
_MOST_QUOTES = 4


@dataclass(frozen=True)
class Problem:
    """Something that may not be returned. told: to the model, with its own words; warning: to the caller, without."""

    told: str
    warning: str


@dataclass(frozen=True)
class Judged:
    """What stands of an answer, and what does not. tags: by falling confidence, with verbatim evidence.

    key_information: verbatim, in the order of the summary. without_suitable_tag: ids of facets.
    """

    tags: Sequence[ScoredTag]
    problems: Sequence[Problem]
    key_information: Sequence[str]
    reasoning: str
    without_suitable_tag: Sequence[str]


def judge(draft: Draft, question: Question, offered: Sequence[Tag]) -> Judged:
    """Judges every tag of the draft. offered: the tags that the model could choose from.

    Tags that this question does not allow are left out without a word: the model is not told of the restriction, so
    that its prompt stays the same.
    """
    problems: list[Problem] = []
    summary = QuotedSummary(question.summary, _joints(question.parts))
    names = _names(offered)
    kept: dict[str, ScoredTag] = {}
    for entry in draft.tags:
        id = names.get(_folded(entry.tag))
        if id is None:
            problems.append(
                Problem(
                    f"{quoted(entry.tag)} is no id of the vocabulary.",
                    "The model gave a tag that is not in the taxonomy; it was left out.",
                )
            )
        elif id in question.allowed and (tag := _scored(id, entry, summary, problems)):
            if id in kept:
                problems.append(Problem(f"{id} is given twice.", f"The model gave {id} twice; the surer one counts."))
                tag = max(kept[id], tag, key=lambda one: one.confidence)
            kept[id] = tag
    tags = sorted(kept.values(), key=lambda tag: -tag.confidence)
    problems += _exclusions(tags, question)
    problems += _silence(draft, tags, question, offered)
    return Judged(
        tags=tuple(tags),
        problems=tuple(problems),
        key_information=_key_information(draft, tags, summary),
        reasoning=" ".join(draft.reasoning.split()),
        without_suitable_tag=_without(draft, tags, question, offered),
    )


def judge_parts(draft: Draft, parts: Sequence[Question], offered: Sequence[Tag]) -> tuple[Judged, ...]:
    """Judges what the draft says of each part of a question, by the rules of `judge`."""
    said = {segment.segment: segment for segment in draft.segments}
    judged = []
    for number, part in enumerate(parts, start=1):
        found = said.get(number)
        if found is None:
            missing = Problem(f"Segment {number} is missing.", f"The model said nothing of segment {number}.")
            judged.append(Judged((), (missing,), (), "", ()))
            continue
        own = judge(Draft(tags=found.tags, reasoning=found.reasoning), part, offered)
        problems = tuple(
            Problem(f"In segment {number}: {one.told}", f"Segment {number}: {one.warning}") for one in own.problems
        )
        judged.append(replace(own, problems=problems, without_suitable_tag=()))
    return tuple(judged)


def _joints(parts: Sequence[Question]) -> list[int]:
    """Where, in the summary that joins them by one character, each part but the last ends."""
    ends = accumulate(len(part.summary) + 1 for part in parts[:-1])
    return [end - 1 for end in ends]


def _names(offered: Sequence[Tag]) -> dict[str, str]:
    """Ids by what models call tags: the id in any case, or a label that only one tag has."""
    labels: dict[str, list[str]] = {}
    for tag in offered:
        labels.setdefault(_folded(tag.label), []).append(tag.id)
    by_label = {label: ids[0] for label, ids in labels.items() if len(ids) == 1}
    return {**by_label, **{_folded(tag.id): tag.id for tag in offered}}


def _folded(name: str) -> str:
    return " ".join(name.split()).casefold()


def _scored(id: str, entry: DraftTag, summary: QuotedSummary, problems: list[Problem]) -> ScoredTag | None:
    if not 0 <= entry.confidence <= 1:  # NaN fails this too
        problems.append(
            Problem(
                f"The confidence of {id} is {entry.confidence}, not between 0 and 1.",
                f"The model's confidence in {id} was not between 0 and 1; the tag was left out.",
            )
        )
        return None
    spans: list[Span] = []
    for quote in entry.evidence[:_MOST_QUOTES]:
        span = summary.find(quote)
        if span is None:
            problems.append(
                Problem(
                    f"The evidence {quoted(quote)} of {id} is not in the summary; copy it letter by letter.",
                    f"The model's evidence for {id} was not all in the summary; what is not was left out.",
                )
            )
        elif span not in spans:
            spans.append(span)
    if not spans:
        if not entry.evidence:
            problems.append(
                Problem(f"{id} has no evidence.", f"The model gave no evidence for {id}; the tag was left out.")
            )
        else:
            problems.append(
                Problem(
                    f"{id} is left without evidence.",
                    f"None of the model's evidence for {id} is in the summary; the tag was left out.",
                )
            )
        return None
    return ScoredTag(id, round(entry.confidence, 4), round(entry.confidence, 4), tuple(spans))


def _exclusions(tags: Sequence[ScoredTag], question: Question) -> Iterable[Problem]:
    """Among tags that are sure enough to be returned; of the others nobody hears."""
    by_id = question.taxonomy.by_id
    sure = [tag for tag in tags if tag.confidence >= least_confidence(tag, question, DEFAULT_THRESHOLD)]
    for position, one in enumerate(sure):
        for other in sure[position + 1 :]:
            if other.id in by_id[one.id].excludes or one.id in by_id[other.id].excludes:
                yield Problem(
                    f"{one.id} and {other.id} exclude each other; give the one that fits better.",
                    f"The model gave {one.id} and {other.id}, which exclude each other; the surer one was kept.",
                )


def _silence(draft: Draft, tags: Sequence[ScoredTag], question: Question, offered: Sequence[Tag]) -> Iterable[Problem]:
    """A required facet may be denied, not forgotten."""
    answered = {question.taxonomy.by_id[tag.id].facet for tag in tags}.union(draft.no_suitable_tag)
    askable = {tag.facet for tag in offered if tag.id in question.allowed}
    for facet in question.taxonomy.facets:
        if facet.required and facet.id in askable and facet.id not in answered:
            yield Problem(
                f"The facet {facet.id} needs a tag, or must be named in no_suitable_tag.",
                f"The model said nothing of the required facet {facet.id}.",
            )


def _without(draft: Draft, tags: Sequence[ScoredTag], question: Question, offered: Sequence[Tag]) -> tuple[str, ...]:
    """Facets that the model says nothing fits of, in the taxonomy's order; "" is the facet of tags that have none."""
    answered = {question.taxonomy.by_id[tag.id].facet for tag in tags}
    asked = dict.fromkeys(tag.facet for tag in offered if tag.id in question.allowed)
    denied = set(draft.no_suitable_tag) | ({""} if not draft.tags else set())
    return tuple(facet for facet in asked if facet in denied and facet not in answered)


def _key_information(draft: Draft, tags: Sequence[ScoredTag], summary: QuotedSummary) -> tuple[str, ...]:
    """The model's quotes where they are in the summary, else the evidence."""
    found = [span for quote in draft.key_information if (span := summary.find(quote))]
    spans = found or [span for tag in tags for span in tag.evidence]
    ordered = sorted({(span.start, span.end): span for span in spans[:MOST_PHRASES]}.values(), key=lambda s: s.start)
    return tuple(span.text for span in ordered)

"""Chooses, among scored tags, those an answer may hold: thresholds, exclusions, facets and limits."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace

from classifier_service.engines.engine import Question, ScoredTag
from classifier_service.taxonomy import Facet, Select


@dataclass(frozen=True)
class Unanswered:
    """A required facet none of whose tags was chosen. closest: its best tag that may be returned."""

    facet: Facet
    closest: ScoredTag


@dataclass(frozen=True)
class Choice:
    """Tags by falling confidence, and the required facets that went without.

    ranked: every scored tag that is allowed, by falling confidence, whatever the rules leave of them.
    """

    tags: Sequence[ScoredTag]
    unanswered: Sequence[Unanswered] = ()
    ranked: Sequence[ScoredTag] = ()


def choose(scored: Sequence[ScoredTag], question: Question, default_threshold: float) -> Choice:
    """The best tags that the rules allow, at most `question.max_tags`.

    - Where the question has a calibration, it is applied first.
    - Least confidence: the question's, else the tag's own, else the calibration's, else the default.
    - Of tags that exclude one another the more confident stays; a facet keeps its best `max`, or one where it
      selects one. Equal confidences: raw confidence, then the taxonomy's order decides.
    - A parent and its child are judged each by itself: both are returned when both are confident enough.
    - Where `max_tags` cuts, the best tag of a required facet stays before others.
    - A required facet of which the caller allows no tag is not demanded.
    """
    taxonomy = question.taxonomy
    facets = {facet.id: facet for facet in taxonomy.facets}
    order = {tag.id: position for position, tag in enumerate(taxonomy.active)}
    allowed = [_calibrated(tag, question) for tag in scored if tag.id in question.allowed and tag.id in order]
    ranked = sorted(allowed, key=lambda tag: (-tag.confidence, -tag.raw_confidence, order[tag.id]))

    kept: list[ScoredTag] = []
    taken: Counter[str] = Counter()
    for candidate in ranked:
        facet_id = taxonomy.by_id[candidate.id].facet
        if candidate.confidence < least_confidence(candidate, question, default_threshold):
            continue
        if taken[facet_id] >= _capacity(facets.get(facet_id)):
            continue
        if any(_exclude_one_another(question, candidate, other) for other in kept):
            continue
        kept.append(candidate)
        taken[facet_id] += 1

    unanswered = []
    first: list[ScoredTag] = []
    for facet in taxonomy.facets:
        if facet.required:
            best = next((tag for tag in kept if taxonomy.by_id[tag.id].facet == facet.id), None)
            closest = next((tag for tag in ranked if taxonomy.by_id[tag.id].facet == facet.id), None)
            if best is not None:
                first.append(best)
            elif closest is not None:
                unanswered.append(Unanswered(facet, closest))
    rest = [tag for tag in kept if tag not in first]
    within = (first + rest)[: max(0, question.max_tags)]
    return Choice(tuple(tag for tag in kept if tag in within), tuple(unanswered), tuple(ranked))


def least_confidence(candidate: ScoredTag, question: Question, default: float) -> float:
    """What a tag must reach to be returned for this question."""
    if question.min_confidence is not None:
        return question.min_confidence
    own = question.taxonomy.by_id[candidate.id].threshold
    if own is not None:
        return own
    return default if question.calibration is None else question.calibration.least(candidate.id)


def _calibrated(tag: ScoredTag, question: Question) -> ScoredTag:
    """Its first estimate, calibrated. A confidence that the engine had lowered for a reason stays as low."""
    if question.calibration is None:
        return tag
    confidence = question.calibration.confidence(tag.id, tag.raw_confidence)
    lowered = tag.confidence < tag.raw_confidence
    return replace(tag, confidence=min(confidence, tag.confidence) if lowered else confidence)


def _capacity(facet: Facet | None) -> float:
    if facet is None:
        return float("inf")
    if facet.select is Select.ONE:
        return 1
    return float("inf") if facet.max is None else facet.max


def _exclude_one_another(question: Question, one: ScoredTag, other: ScoredTag) -> bool:
    tags = question.taxonomy.by_id
    return other.id in tags[one.id].excludes or one.id in tags[other.id].excludes

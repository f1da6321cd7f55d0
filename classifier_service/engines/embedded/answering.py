"""Composes an answer from a summary's scores: tags with evidence, key phrases, and the numbers in words."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from classifier_service.choosing import Choice, choose, least_confidence
from classifier_service.engines.embedded.key_information import key_information
from classifier_service.engines.embedded.prototypes import Prototypes
from classifier_service.engines.embedded.reading import Reading
from classifier_service.engines.embedded.reasoning import Finding, explain, explain_no_content
from classifier_service.engines.embedded.scoring import Scores
from classifier_service.engines.embedded.summary_vectors import SummaryVectors
from classifier_service.engines.engine import Answer, Question, ScoredTag, Usage
from vidtomusictags.rpc.failures import RequiredFacetEmpty

PERCEPTION_CAP = 0.70
"""Most confidence in a tag of a summary that a small image classifier wrote: its word is all there is."""
_FURTHER_EVIDENCE = 0.9
"""A second clause is quoted too when it is at least this share as similar as the best one."""


@dataclass(frozen=True)
class Scored:
    """A question whose summary was read and scored. tags: every active tag, in the order of `prototypes`."""

    question: Question
    prototypes: Prototypes
    vectors: SummaryVectors
    scores: Scores
    tags: Sequence[ScoredTag]


def with_evidence(question: Question, prototypes: Prototypes, vectors: SummaryVectors, scores: Scores) -> Scored:
    """Adds the supporting clauses, and caps confidence where the summary's writer was a small image classifier.

    All active tags are scored, whatever may be returned: a confidence does not depend on what is allowed.
    """
    tags = []
    for row, prototype in enumerate(prototypes.of_tags):
        support = scores.support[:, row]
        order = np.argsort(-support, kind="stable")
        raw = float(scores.confidences[row])
        cap = min(PERCEPTION_CAP, vectors.certainties[order[0]]) if question.statements else 1.0
        further = [i for i in order[1:2] if support[i] >= _FURTHER_EVIDENCE * support[order[0]] > 0]
        evidence = tuple(vectors.spans[i] for i in (order[0], *further))
        tags.append(ScoredTag(prototype.tag.id, round(min(raw, cap), 4), round(raw, 4), evidence))
    return Scored(question, prototypes, vectors, scores, tags)


def compose(scored: Scored, default_threshold: float, warnings: Sequence[str]) -> Answer:
    """Raises RequiredFacetEmpty where a required facet has no tag that fits."""
    choice = choose(scored.tags, scored.question, default_threshold)
    _demand_required_facets(choice)
    returned = {tag.id for tag in choice.tags}
    chosen = [row for row, tag in enumerate(scored.tags) if tag.id in returned]
    vectors = scored.vectors
    relevance = scored.scores.support[:, chosen].max(axis=1) if chosen else vectors.clauses @ vectors.whole
    return Answer(
        tags=choice.tags,
        key_information=key_information(vectors.spans, vectors.clauses, relevance),
        reasoning=_reasoning(scored, choice, default_threshold),
        usage=Usage(prompt_tokens=vectors.tokens),
        warnings=warnings,
        scores=choice.ranked,
    )


def compose_without_content(question: Question, reading: Reading, warnings: Sequence[str]) -> Answer:
    """For a summary that says nothing a tag could be judged by. Raises RequiredFacetEmpty as `compose` does."""
    nothing = [ScoredTag(tag.id, 0.0, 0.0) for tag in question.taxonomy.active]
    # There was no estimate that a calibration could speak of.
    choice = choose(nothing, replace(question, calibration=None), default_threshold=1.0)
    _demand_required_facets(choice)
    spans = [span for passage in reading.passages for span in passage.clauses]
    phrases = [question.summary[start:end] for start, end in spans]
    key = tuple(dict.fromkeys(phrases))[:5]
    return Answer((), key, explain_no_content(), Usage(), warnings, scores=choice.ranked)


def _reasoning(scored: Scored, choice: Choice, default_threshold: float) -> str:
    rows = {tag.id: row for row, tag in enumerate(scored.tags)}
    findings = {tag.id: _finding(scored, rows[tag.id], tag.confidence) for tag in choice.ranked}
    returned = {tag.id for tag in choice.tags}
    closest = next((tag for tag in choice.ranked if tag.id not in returned), None)
    if closest is None:
        return explain([findings[tag.id] for tag in choice.tags])
    needed = least_confidence(closest, scored.question, default_threshold)
    return explain([findings[tag.id] for tag in choice.tags], findings[closest.id], needed)


def _finding(scored: Scored, row: int, confidence: float) -> Finding:
    """confidence: as it is returned, which a calibration may have changed."""
    tag = scored.tags[row]
    return Finding(
        label=scored.prototypes.of_tags[row].tag.label,
        confidence=confidence,
        likeness=float(scored.scores.likenesses[row]),
        quote=tag.evidence[0].text,
        quote_similarity=float(scored.scores.support[:, row].max()),
        capped_from=tag.raw_confidence if tag.confidence < tag.raw_confidence else None,
    )


def _demand_required_facets(choice: Choice) -> None:
    for missing in choice.unanswered:
        raise RequiredFacetEmpty(
            f"No tag of the required facet {missing.facet.id!r} fits the summary; the closest is"
            f" {missing.closest.id!r} with confidence {missing.closest.confidence:.2f}: lower min_confidence, or make"
            " the facet optional.",
            details={"facet": missing.facet.id, "closest": missing.closest.id},
        )

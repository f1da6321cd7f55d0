"""From what was judged to what is returned: certainties of the summary, required facets, the parts of a question."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from classifier_service.choosing import Choice, choose
from classifier_service.engines.engine import Answer, Question, ScoredTag, Usage
from classifier_service.engines.instructor.judging import DEFAULT_THRESHOLD, Judged
from classifier_service.engines.instructor.shortlisting import Offer
from classifier_service.taxonomy import Tag
from vidtomusictags.rpc.failures import RequiredFacetEmpty

PERCEPTION_CAP = 0.70
"""Most confidence where measurements of the picture wrote the summary: their word is all there is."""


def part_answer(judged: Judged, part: Question, question: Question, offer: Offer) -> Answer:
    """The answer about one part of a question; what it cost is told with the whole. Raises RequiredFacetEmpty."""
    part = replace(part, calibration=question.calibration)
    choice = choose([capped(tag, part) for tag in judged.tags], part, DEFAULT_THRESHOLD)
    demand_required(choice, part, offer.tags)
    return Answer(
        tags=choice.tags,
        key_information=judged.key_information,
        reasoning=judged.reasoning,
        usage=Usage(attempts=0),
        shortlist=offer.shortlist,
        scores=choice.ranked,
    )


def demand_required(choice: Choice, question: Question, offered: Sequence[Tag]) -> None:
    """Raises RequiredFacetEmpty for a required facet of which a tag could have been chosen and none was."""
    by_id = question.taxonomy.by_id
    answered = {by_id[tag.id].facet for tag in choice.tags}
    askable = {tag.facet for tag in offered if tag.id in question.allowed}
    for facet in question.taxonomy.facets:
        if not facet.required or facet.id not in askable or facet.id in answered:
            continue
        closest = max(
            (tag for tag in choice.ranked if by_id[tag.id].facet == facet.id),
            key=lambda tag: tag.confidence,
            default=None,
        )
        said = (
            "the model found no suitable tag"
            if closest is None
            else f"the closest is {closest.id!r} with confidence {closest.confidence:.2f}: lower min_confidence"
        )
        raise RequiredFacetEmpty(
            f"No tag of the required facet {facet.id!r} fits the summary; {said}, or make the facet optional.",
            details={"facet": facet.id, **({"closest": closest.id} if closest else {})},
        )


def capped(tag: ScoredTag, question: Question) -> ScoredTag:
    """Where the writer of the summary told how certain each statement is, no tag is surer than what it quotes."""
    if not question.statements:
        return tag
    certainties = [
        statement.certainty
        for statement in question.statements
        for span in tag.evidence
        if statement.start < span.end and span.start < statement.end
    ]
    cap = min(PERCEPTION_CAP, max(certainties, default=0.0))
    return replace(tag, confidence=min(tag.confidence, round(cap, 4)))

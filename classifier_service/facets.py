"""What became of each facet of a taxonomy in an answer."""

from __future__ import annotations

import enum
from collections.abc import Sequence
from dataclasses import dataclass

from classifier_service.engines.engine import Answer, Question


class Outcome(enum.Enum):
    """LEFT_OUT: `max_tags` left no room, so nothing can be said."""

    TAGGED = "tagged"
    NO_SUITABLE_TAG = "no suitable tag"
    LEFT_OUT = "left out"


@dataclass(frozen=True)
class FacetAnswer:
    """facet: its id; "" for tags that have none."""

    facet: str
    outcome: Outcome


def facet_answers(answer: Answer, question: Question) -> tuple[FacetAnswer, ...]:
    """For every facet of which a tag could have been returned, in the taxonomy's order."""
    taxonomy = question.taxonomy
    tagged = {taxonomy.by_id[tag.id].facet for tag in answer.tags}
    asked = {tag.facet for tag in taxonomy.active if tag.id in question.allowed}
    order = [facet.id for facet in taxonomy.facets] + [""]
    full = len(answer.tags) >= question.max_tags
    return tuple(
        FacetAnswer(facet, _outcome(facet, tagged, answer.without_suitable_tag, full=full))
        for facet in order
        if facet in asked
    )


def _outcome(facet: str, tagged: set[str], denied: Sequence[str], *, full: bool) -> Outcome:
    if facet in tagged:
        return Outcome.TAGGED
    return Outcome.NO_SUITABLE_TAG if facet in denied or not full else Outcome.LEFT_OUT

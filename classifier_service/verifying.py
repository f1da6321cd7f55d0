"""Holds every engine's answer to the contract before a caller sees it."""

from __future__ import annotations

from classifier_service.engines.engine import Answer, Question
from vidtomusictags.rpc.failures import AnswerInvalid


def verify(answer: Answer, question: Question) -> None:
    """Raises AnswerInvalid, naming the breach, for an answer that the question does not allow."""
    if breach := _breach(answer, question):
        raise AnswerInvalid(f"The engine's answer was withheld because {breach}; try again once.")


def _breach(answer: Answer, question: Question) -> str:
    ids = [tag.id for tag in answer.tags]
    confidences = [tag.confidence for tag in answer.tags]
    quotes = [span for tag in answer.tags for span in tag.evidence]
    breaches = {
        "it holds more tags than were asked for": len(ids) > question.max_tags,
        "it holds a tag twice": len(set(ids)) < len(ids),
        "it holds a tag that may not be returned": not question.allowed.issuperset(ids),
        "a confidence is not within 0 and 1": not all(
            0 <= tag.confidence <= 1 and 0 <= tag.raw_confidence <= 1 for tag in answer.tags
        ),
        "its tags are not ordered by confidence": confidences != sorted(confidences, reverse=True),
        "it quotes what the summary does not say": any(
            not span.text or question.summary[span.start : span.end] != span.text for span in quotes
        ),
    }
    return next((breach for breach, found in breaches.items() if found), "")

"""Says in words what the numbers were; adds nothing that was not computed."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from classifier_service.taxonomy import Tag

_WHAT_SCORES_ARE = (
    "Scores are calibrated text similarity to the tags' descriptions (all-MiniLM-L6-v2); no language model reasoned"
    " about the video."
)
_NO_CONTENT = "The summary names no content that a tag could be judged by, so no tag is suitable."


@dataclass(frozen=True)
class Finding:
    """One tag and its numbers. quote: the best supporting clause; similarities are cosines."""

    tag: Tag
    confidence: float
    similarity: float
    quote: str = ""
    quote_similarity: float = 0.0
    cap: str = ""
    """Why the confidence is lower than computed; empty where it is not."""


def explain(returned: Sequence[Finding], closest: Finding | None, required: float) -> str:
    """One paragraph. closest: the best tag that was not returned. required: least confidence of that tag."""
    if returned:
        sentences = [
            f'{finding.tag.label} ({finding.confidence:.2f}): best supported by "{finding.quote}" (similarity'
            f" {finding.quote_similarity:.2f}; whole summary {finding.similarity:.2f}{finding.cap})."
            for finding in returned
        ]
        if closest is not None:
            sentences.append(f"Next closest: {closest.tag.label} ({closest.confidence:.2f}), not returned.")
    elif closest is not None:
        sentences = [
            f"No tag is suitable: the closest is {closest.tag.label} (confidence {closest.confidence:.2f}, similarity"
            f" {closest.similarity:.2f}{closest.cap}; needed {required:.2f})."
        ]
    else:
        sentences = ["No tag is suitable: none may be returned."]
    return " ".join([*sentences, _WHAT_SCORES_ARE])


def explain_no_content() -> str:
    """For a summary that says nothing of what can be seen."""
    return f"{_NO_CONTENT} {_WHAT_SCORES_ARE}"

"""Says in words what the numbers were; adds nothing that was not computed."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

_WHAT_SCORES_ARE = (
    "Scores are calibrated text similarity (all-MiniLM-L6-v2) to what the tags say of themselves and to typical scenes;"
    " no language model reasoned about the video."
)


@dataclass(frozen=True)
class Finding:
    """One tag and its numbers.

    likeness: of the whole summary, as scored. quote: the best supporting clause, with its cosine.
    capped_from: the confidence before it was capped, where it was.
    """

    label: str
    confidence: float
    likeness: float
    quote: str
    quote_similarity: float
    capped_from: float | None = None

    @property
    def _cap(self) -> str:
        return "" if self.capped_from is None else f"; confidence capped from {self.capped_from:.2f}"

    def why(self) -> str:
        """Why the tag was returned."""
        return (
            f'{self.label} ({self.confidence:.2f}): best supported by "{self.quote}" (similarity'
            f" {self.quote_similarity:.2f}; whole summary {self.likeness:.2f}{self._cap})."
        )

    def why_not(self, needed: float) -> str:
        """Why nothing was returned although this tag came closest."""
        return (
            f"No tag is suitable: the closest is {self.label} (confidence {self.confidence:.2f}, similarity"
            f" {self.likeness:.2f}{self._cap}; needed {needed:.2f})."
        )


def explain(returned: Sequence[Finding], closest: Finding | None = None, needed: float = 0.0) -> str:
    """One paragraph. closest: the best tag that was not returned. needed: least confidence to return it."""
    sentences = [finding.why() for finding in returned]
    if closest is not None:
        not_returned = f"Next closest: {closest.label} ({closest.confidence:.2f}), not returned."
        sentences.append(not_returned if returned else closest.why_not(needed))
    elif not returned:
        sentences.append("No tag is suitable: none may be returned.")
    return " ".join([*sentences, _WHAT_SCORES_ARE])


def explain_no_content() -> str:
    """For a summary that says nothing of what can be seen."""
    return f"The summary names no content that a tag could be judged by, so no tag is suitable. {_WHAT_SCORES_ARE}"

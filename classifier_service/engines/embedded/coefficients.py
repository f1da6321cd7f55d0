"""The fitted numbers of the engine, read from the file beside this one."""

from __future__ import annotations

import json
from dataclasses import dataclass
from importlib import resources


@dataclass(frozen=True)
class Coefficients:
    """Numbers that `benchmarks/fit_embedded_classifier.py` found; see it for how.

    temperature: of the softmax over a facet's similarities.
    similarity, margin, intercept: of the logistic that turns the two features into a probability.
    threshold: least confidence that is returned where neither request nor tag says otherwise.
    least_similarity, least_similarity_terse: cosines below which confidence is scaled down; the second for
        summaries with fewer than terse_words scored words, which resemble everything.
    """

    version: str
    date: str
    fitted_on: str
    n: int
    temperature: float
    similarity: float
    margin: float
    intercept: float
    threshold: float
    least_similarity: float
    least_similarity_terse: float
    terse_words: int


def packaged_coefficients() -> Coefficients:
    """The numbers this version of the engine ships with."""
    text = resources.files(__package__).joinpath("coefficients.json").read_text(encoding="utf-8")
    return Coefficients(**json.loads(text))

"""The fitted numbers of the engine, read from the file beside this one."""

from __future__ import annotations

import json
from dataclasses import dataclass
from importlib import resources


@dataclass(frozen=True)
class Coefficients:
    """Numbers that `benchmarks/fit_embedded_classifier.py` found; see it for how.

    temperature: of the softmax over the likenesses of a facet's tags.
    likeness, margin, intercept: of the logistic that turns the two features into a probability.
    threshold: least confidence that is returned where neither request nor tag says otherwise.
    n: how many labelled summaries they were fitted on.
    """

    version: str
    date: str
    fitted_on: str
    n: int
    temperature: float
    likeness: float
    margin: float
    intercept: float
    threshold: float


def packaged_coefficients() -> Coefficients:
    """The numbers this version of the engine ships with."""
    text = resources.files(__package__).joinpath("coefficients.json").read_text(encoding="utf-8")
    return Coefficients(**json.loads(text))

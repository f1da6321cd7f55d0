"""Turns a summary's vectors into calibrated confidences in the tags of a taxonomy."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from classifier_service.engines.embedded.coefficients import Coefficients
from classifier_service.engines.embedded.likeness import Numbers, combined, nearest, pull_of_cues
from classifier_service.engines.embedded.prototypes import Prototypes
from classifier_service.engines.embedded.scenes import Scenes
from classifier_service.engines.embedded.summary_vectors import SummaryVectors

_LEVEL_SHARE = 0.5
_USUAL_LEVEL = 0.15
"""Half of what everyday scenes resemble one tag more than this is not held in its favour: a tag with many examples
resembles everything more than a tag with none."""
_FULL_GROUP = 8
_IMAGINED_RIVAL = 0.40
"""A facet of fewer tags than this has too few rivals to tell a good fit from a mere best one, so that an imagined tag
with this likeness competes as well, the more the fewer there are."""

_TERSE_WORDS = (4, 10)
_TERSE_LIKENESS = 0.38
_TERSE_SLOPE = 40.0
"""Few words resemble everything somewhat. With 4 words or less a tag whose likeness stays below this loses 40 in the
logit for each unit it lacks, with 10 or more nothing, in between in proportion. Chosen on sentences that name one
thing, as the embedded captioner writes them; the labelled summaries are longer."""


@dataclass(frozen=True)
class Scores:
    """One number per active tag, in the taxonomy's order. confidences are probabilities.

    support: (clauses, tags), cosine of each clause to each tag's centre.
    """

    likenesses: Numbers
    confidences: Numbers
    support: Numbers


def score(
    summary: SummaryVectors, prototypes: Prototypes, scenes: Scenes, k: Coefficients, *, is_list: bool = False
) -> Scores:
    """Scores every tag against a summary. is_list: it names things that were recognised, in however many words."""
    alike = likenesses(summary, prototypes, scenes)
    terseness = 1.0 if is_list else _terseness(summary.words)
    return Scores(alike, confidences(alike, terseness, prototypes, k), summary.clauses @ prototypes.centres.T)


def likenesses(summary: SummaryVectors, prototypes: Prototypes, scenes: Scenes) -> Numbers:
    """How like each tag the summary is, before any comparison between tags; mostly 0.1 to 0.6."""
    to_centres = (prototypes.centres @ summary.whole + (prototypes.centres @ summary.clauses.T).max(axis=1)) / 2
    borrowed = {concept for prototype in prototypes.of_tags for concept in prototype.borrowed}
    to_scenes = {concept: nearest(scenes.vectors(concept) @ summary.whole) for concept in borrowed}
    everything = np.vstack([summary.whole, summary.clauses])
    result = np.empty(len(prototypes.of_tags))
    for position, prototype in enumerate(prototypes.of_tags):
        to_examples = [to_scenes[concept] for concept in prototype.borrowed] + [prototype.examples @ summary.whole]
        likeness = combined(to_centres[position], np.concatenate(to_examples))
        above = _LEVEL_SHARE * (prototype.level - _USUAL_LEVEL)
        result[position] = likeness - above - pull_of_cues(everything @ prototype.cues_against.T)
    return result


def confidences(alike: Numbers, terseness: float, prototypes: Prototypes, k: Coefficients) -> Numbers:
    """The fitted logistic over a tag's likeness and how far it stands out in its facet, less what terseness costs."""
    logits = k.likeness * alike + k.margin * margins(alike, prototypes, k.temperature) + k.intercept
    logits -= terseness * _TERSE_SLOPE * np.maximum(0.0, _TERSE_LIKENESS - alike)
    result: Numbers = 1.0 / (1.0 + np.exp(-logits))
    return result


def margins(alike: Numbers, prototypes: Prototypes, temperature: float) -> Numbers:
    """How far each tag stands out in its own facet: temperature times the log-softmax, at most 0."""
    result = np.zeros_like(alike)
    for rows in prototypes.groups:
        missing = max(0, _FULL_GROUP - len(rows)) / (_FULL_GROUP - 1)
        rivals = np.exp(alike[rows] / temperature).sum() + missing * np.exp(_IMAGINED_RIVAL / temperature)
        result[rows] = alike[rows] - temperature * np.log(rivals)
    return result


def _terseness(words: int) -> float:
    few, enough = _TERSE_WORDS
    return min(1.0, max(0.0, (enough - words) / (enough - few)))

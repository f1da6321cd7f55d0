"""Turns similarities into calibrated confidences."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from classifier_service.engines.embedded.coefficients import Coefficients
from classifier_service.engines.embedded.encoder import Vectors
from classifier_service.engines.embedded.prototypes import Prototypes

Numbers = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Scores:
    """One number per active tag, in the taxonomy's order; confidences are probabilities."""

    similarities: Numbers
    confidences: Numbers


def score(whole: Vectors, words: int, prototypes: Prototypes, k: Coefficients) -> Scores:
    """Scores every tag against a summary's vector, (384,), of which `words` words were scored."""
    similarities = similarity(whole, prototypes)
    margins = log_softmax(similarities, prototypes, k.temperature)
    logits = k.similarity * similarities + k.margin * margins + k.intercept
    least = k.least_similarity_terse if words < k.terse_words else k.least_similarity
    confidences = np.clip(similarities / least, 0.0, 1.0) / (1.0 + np.exp(-logits))
    return Scores(similarities, confidences)


def similarity(vectors: Vectors, prototypes: Prototypes) -> Numbers:
    """Cosine to each tag, (..., tags), less what a vector is closer to the cues against the tag than to the tag."""
    towards = (vectors @ prototypes.towards.T).astype(np.float64)
    away = (vectors @ prototypes.away.T).astype(np.float64)
    return towards - np.where(prototypes.away.any(axis=1), np.maximum(0.0, away - towards), 0.0)


def log_softmax(similarities: Numbers, prototypes: Prototypes, temperature: float) -> Numbers:
    """How far each tag stands out within its own facet: temperature times the log-softmax, at most 0."""
    margins = np.zeros_like(similarities)
    for rows in prototypes.groups:
        scaled = similarities[rows] / temperature
        highest = scaled.max()
        margins[rows] = temperature * (scaled - highest - np.log(np.exp(scaled - highest).sum()))
    return margins

"""Combines several opinions of one model on the same question into one confidence for each tag, by a stated formula."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace
from itertools import chain

from classifier_service.engines.engine import ScoredTag, Span
from classifier_service.engines.instructor.judging import MOST_PHRASES, Judged

_MOST_QUOTES = 4


def combined(opinions: Sequence[Judged]) -> Judged:
    """One judgement out of several; the reasoning and the key information are those of the opinion nearest to it.

    raw_confidence of a tag = sum of the confidences that the opinions gave it / number of opinions: an opinion that
    does not give the tag counts as 0 (the self-consistency of arXiv 2203.11171, weighted as in arXiv 2306.13063).
    """
    if len(opinions) == 1:
        return opinions[0]
    means = {
        id: sum(_confidence(opinion, id) for opinion in opinions) / len(opinions)
        for id in dict.fromkeys(tag.id for opinion in opinions for tag in opinion.tags)
    }
    tags = [
        ScoredTag(id, round(mean, 4), round(mean, 4), _evidence(opinions, id))
        for id, mean in sorted(means.items(), key=lambda item: -item[1])
    ]
    nearest = min(opinions, key=lambda one: sum(abs(_confidence(one, id) - mean) for id, mean in means.items()))
    denied = [
        facet for facet in nearest.without_suitable_tag if all(facet in one.without_suitable_tag for one in opinions)
    ]
    return Judged(
        tags=tuple(tags),
        problems=tuple(chain.from_iterable(opinion.problems for opinion in opinions)),
        key_information=nearest.key_information[:MOST_PHRASES],
        reasoning=nearest.reasoning,
        without_suitable_tag=tuple(denied),
    )


def with_probabilities(judged: Judged, text: str, logprobs: Sequence[tuple[str, float]]) -> Judged:
    """The judgement with each confidence weighed by how sure the model was of naming that tag at all.

    raw_confidence = sqrt(stated confidence * p), with p the product of the probabilities of the tokens that spell the
    tag's id in the answer. A tag whose tokens cannot be found keeps its stated confidence.
    """
    if "".join(token for token, _ in logprobs) != text:
        return judged
    tags = []
    for tag in judged.tags:
        probability = _probability(f'"{tag.id}"', text, logprobs)
        raw = tag.confidence if probability is None else round(math.sqrt(tag.confidence * probability), 4)
        tags.append(replace(tag, confidence=raw, raw_confidence=raw))
    return replace(judged, tags=tuple(sorted(tags, key=lambda tag: -tag.confidence)))


def _confidence(opinion: Judged, id: str) -> float:
    return next((tag.confidence for tag in opinion.tags if tag.id == id), 0.0)


def _evidence(opinions: Sequence[Judged], id: str) -> tuple[Span, ...]:
    spans = chain.from_iterable(tag.evidence for opinion in opinions for tag in opinion.tags if tag.id == id)
    return tuple(dict.fromkeys(spans))[:_MOST_QUOTES]


def _probability(quoted_id: str, text: str, logprobs: Sequence[tuple[str, float]]) -> float | None:
    """Of the tokens that lie in the first place where the id stands; the quotation marks belong to the form."""
    start = text.find(quoted_id)
    if start < 0:
        return None
    low, high = start + 1, start + len(quoted_id) - 1
    total, place = 0.0, 0
    for token, logprob in logprobs:
        if place < high and place + len(token) > low:
            total += logprob
        place += len(token)
    return math.exp(min(0.0, total))

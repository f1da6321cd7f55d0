"""Answers a question about a summary by comparing sentence embeddings: nothing is generated, everything is measured."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor

import numpy as np

from classifier_service.choosing import Choice, choose, least_confidence
from classifier_service.engines.embedded.coefficients import packaged_coefficients
from classifier_service.engines.embedded.encoder import Encoder
from classifier_service.engines.embedded.key_information import key_information
from classifier_service.engines.embedded.prototypes import PrototypeCache, Prototypes
from classifier_service.engines.embedded.reading import Reading, read
from classifier_service.engines.embedded.reasoning import Finding, explain, explain_no_content
from classifier_service.engines.embedded.scoring import Numbers, Scores, score, similarity
from classifier_service.engines.embedded.summary_vectors import SummaryVectors, encode_summary
from classifier_service.engines.embedded.weights import find_weights
from classifier_service.engines.engine import Answer, EngineCard, Question, ScoredTag, Span, Usage
from vidtomusictags.rpc.failures import RequiredFacetEmpty

MODEL = "all-MiniLM-L6-v2"
PERCEPTION_CAP = 0.70
"""Most confidence in a tag of a summary that a small image classifier wrote: its word is all there is."""
_FURTHER_EVIDENCE = 0.9
"""A second clause is quoted too when it is at least this share as similar as the best one."""


class EmbeddedEngine:
    """Similarity of the summary to each tag's description, phrases, synonyms, cues and examples, calibrated.

    Loading blocks for about a second and raises WeightsUnusable where the packaged model is missing. Questions are
    answered one at a time in a thread of the engine's own; equal questions get equal answers, byte for byte.
    """

    def __init__(self) -> None:
        weights = find_weights()
        self._coefficients = packaged_coefficients()
        self._encoder = Encoder(weights)
        self._cache = PrototypeCache(self._encoder)
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="embedded-classifier")
        self._card = EngineCard(
            engine="embedded",
            model=MODEL,
            revision=f"weights-{weights.digest[:12]}+coefficients-{self._coefficients.version}",
        )

    @property
    def card(self) -> EngineCard:
        """What answers: the model, its weights and the fitted numbers."""
        return self._card

    async def classify(self, question: Question) -> Answer:
        """The tags that fit, with evidence. Raises RequiredFacetEmpty where a required facet has no such tag."""
        return await asyncio.get_running_loop().run_in_executor(self._thread, self._answer, question)

    async def close(self) -> None:
        """Ends the thread after the answers that were begun; calling it again does nothing."""
        self._thread.shutdown(wait=True, cancel_futures=True)

    def _answer(self, question: Question) -> Answer:
        prototypes = self._cache.prototypes(question.taxonomy)
        reading = read(question.summary, question.statements)
        warnings = _warnings(reading)
        if not any(passage.content for passage in reading.passages):
            nothing = [ScoredTag(tag.id, 0.0, 0.0) for tag in prototypes.tags]
            _demand(choose(nothing, question, self._coefficients.threshold))
            phrases = [question.summary[low:high] for passage in reading.passages for low, high in passage.clauses]
            return Answer((), phrases[:5], explain_no_content(), Usage(), warnings)

        vectors = encode_summary(question.summary, reading.passages, self._encoder)
        scores = score(vectors.whole, vectors.words, prototypes, self._coefficients)
        support = similarity(vectors.clauses, prototypes)
        scored = _scored_tags(question, prototypes, vectors, scores, support)
        choice = choose(scored, question, self._coefficients.threshold)
        _demand(choice)

        rows = {tag.id: row for row, tag in enumerate(prototypes.tags)}
        chosen = [rows[tag.id] for tag in choice.tags]
        relevance = support[:, chosen].max(axis=1) if chosen else (vectors.clauses @ vectors.whole).astype(np.float64)
        return Answer(
            tags=choice.tags,
            key_information=key_information(vectors.spans, vectors.clauses, relevance),
            reasoning=self._reasoning(question, prototypes, scored, choice, scores, support),
            usage=Usage(prompt_tokens=vectors.tokens),
            warnings=warnings,
        )

    def _reasoning(  # noqa: PLR0917
        self,
        question: Question,
        prototypes: Prototypes,
        scored: Sequence[ScoredTag],
        choice: Choice,
        scores: Scores,
        support: Numbers,
    ) -> str:
        rows = {tag.id: row for row, tag in enumerate(prototypes.tags)}

        def finding(tag: ScoredTag) -> Finding:
            row = rows[tag.id]
            return Finding(
                tag=prototypes.tags[row],
                confidence=tag.confidence,
                similarity=float(scores.similarities[row]),
                quote=tag.evidence[0].text if tag.evidence else "",
                quote_similarity=float(support[:, row].max()),
                cap=f"; capped from {tag.raw_confidence:.2f}" if tag.confidence < tag.raw_confidence else "",
            )

        returned = {tag.id for tag in choice.tags}
        others = [tag for tag in scored if tag.id in question.allowed and tag.id not in returned]
        closest = max(others, key=lambda tag: (tag.confidence, tag.raw_confidence), default=None)
        needed = least_confidence(closest, question, self._coefficients.threshold) if closest else 0.0
        return explain([finding(tag) for tag in choice.tags], finding(closest) if closest else None, needed)


def _scored_tags(
    question: Question, prototypes: Prototypes, vectors: SummaryVectors, scores: Scores, support: Numbers
) -> list[ScoredTag]:
    """Every active tag, whatever may be returned, so that a confidence does not depend on what is allowed."""
    certainties = np.array(vectors.certainties)
    scored = []
    for row, tag in enumerate(prototypes.tags):
        raw = float(scores.confidences[row])
        best = int(support[:, row].argmax())
        cap = min(PERCEPTION_CAP, float(certainties[best])) if question.statements else 1.0
        scored.append(
            ScoredTag(tag.id, round(min(raw, cap), 4), round(raw, 4), _evidence(vectors.spans, support[:, row]))
        )
    return scored


def _evidence(spans: Sequence[Span], support: Numbers) -> list[Span]:
    best = float(support.max())
    order = sorted(range(len(spans)), key=lambda position: (-support[position], position))
    return [spans[position] for position in order[:2] if support[position] >= _FURTHER_EVIDENCE * best > 0] or [
        spans[order[0]]
    ]


def _demand(choice: Choice) -> None:
    if choice.unanswered:
        missing = choice.unanswered[0]
        raise RequiredFacetEmpty(
            f"No tag of the required facet {missing.facet.id!r} fits the summary; the closest is"
            f" {missing.closest.id!r} with confidence {missing.closest.confidence:.2f}: lower min_confidence, or make"
            " the facet optional.",
            details={"facet": missing.facet.id, "closest": missing.closest.id},
        )


def _warnings(reading: Reading) -> list[str]:
    if not reading.characters_left_out:
        return []
    return [
        f"Only the first {len(reading.passages)} sentences of the summary were read; {reading.characters_left_out}"
        " characters after them were not."
    ]

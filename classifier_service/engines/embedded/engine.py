"""Answers a question about a summary by comparing sentence embeddings: nothing is generated, everything is measured."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor

from classifier_service.engines.embedded.answering import answer, answer_without_content, with_evidence
from classifier_service.engines.embedded.coefficients import packaged_coefficients
from classifier_service.engines.embedded.encoder import Encoder
from classifier_service.engines.embedded.prototypes import PrototypeCache
from classifier_service.engines.embedded.reading import Reading, read
from classifier_service.engines.embedded.scenes import Scenes, packaged_concepts
from classifier_service.engines.embedded.scoring import score
from classifier_service.engines.embedded.summary_vectors import encode_summary
from classifier_service.engines.embedded.weights import find_weights
from classifier_service.engines.engine import Answer, EngineCard, Question

MODEL = "all-MiniLM-L6-v2"


class EmbeddedEngine:
    """Similarity of the summary to each tag's own texts and to typical scenes of what the tag means, calibrated.

    Loading blocks for a second or two and raises WeightsUnusable where the packaged model is missing. Questions are
    answered one at a time in a thread of the engine's own; equal questions get equal answers, byte for byte.
    """

    def __init__(self) -> None:
        weights = find_weights()
        self._coefficients = packaged_coefficients()
        self._encoder = Encoder(weights)
        self._scenes = Scenes(self._encoder, packaged_concepts())
        self._cache = PrototypeCache(self._encoder, self._scenes)
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
        """Ends the thread after the answer that was begun; calling it again does nothing."""
        self._thread.shutdown(wait=True, cancel_futures=True)

    def _answer(self, question: Question) -> Answer:
        reading = read(question.summary, question.statements)
        vectors = encode_summary(question.summary, reading.passages, self._encoder)
        if vectors is None:
            return answer_without_content(question, reading, _warnings(reading))
        prototypes = self._cache.prototypes(question.taxonomy)
        scores = score(vectors, prototypes, self._scenes, self._coefficients)
        scored = with_evidence(question, prototypes, vectors, scores)
        return answer(scored, self._coefficients.threshold, _warnings(reading))


def _warnings(reading: Reading) -> Sequence[str]:
    if not reading.characters_left_out:
        return ()
    return (
        f"Only the first {len(reading.passages)} sentences of the summary were read; {reading.characters_left_out}"
        " characters after them were not.",
    )

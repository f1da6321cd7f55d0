"""Answers a question about a summary by comparing sentence embeddings: nothing is generated, everything is measured."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor

import numpy as np

from classifier_service.engines.embedded.answering import compose, compose_without_content, with_evidence
from classifier_service.engines.embedded.coefficients import packaged_coefficients
from classifier_service.engines.embedded.encoder import Encoder
from classifier_service.engines.embedded.prototypes import Prototypes
from classifier_service.engines.embedded.reading import Reading, read
from classifier_service.engines.embedded.scene_vectors import packaged_vectors
from classifier_service.engines.embedded.scenes import Scenes, packaged_concepts, packaged_digest
from classifier_service.engines.embedded.scoring import likenesses, score
from classifier_service.engines.embedded.shortlisting import shortlist
from classifier_service.engines.embedded.summary_vectors import encode_summary
from classifier_service.engines.embedded.taxonomy_encoding import TaxonomyEncoding
from classifier_service.engines.embedded.weights import find_weights
from classifier_service.engines.engine import Answer, EngineCard, Question
from classifier_service.taxonomy import Taxonomy

MODEL = "all-MiniLM-L6-v2"


class EmbeddedEngine:
    """Similarity of the summary to each tag's own texts and to typical scenes of what the tag means, calibrated.

    Loading blocks for a second or two and raises WeightsUnusable where the packaged model is missing. Questions are
    answered one at a time in a thread of the engine's own; equal questions get equal answers, byte for byte. A taxonomy
    is encoded on first use, 0.1 to 0.4 s a tag, in another thread, so that questions about known ones do not wait for
    it, and only for as long as somebody waits for it.
    """

    def __init__(self) -> None:
        weights = find_weights()
        self._coefficients = packaged_coefficients()
        self._encoder = Encoder(weights)
        self._scenes = Scenes(packaged_vectors(self._encoder), packaged_concepts())
        self._taxonomies = TaxonomyEncoding(self._encoder, self._scenes)
        self._answering = ThreadPoolExecutor(1, thread_name_prefix="embedded-classifier")
        self._card = EngineCard(
            engine="embedded",
            model=MODEL,
            revision=f"weights-{weights.digest[:12]}+coefficients-{self._coefficients.version}"
            f"+scenes-{packaged_digest()[:12]}",
        )

    @property
    def card(self) -> EngineCard:
        """What answers: the model, its weights and the fitted numbers."""
        return self._card

    async def prepare(self, taxonomy: Taxonomy) -> None:
        """Encodes it."""
        await self._taxonomies.prototypes(taxonomy)

    async def classify(self, question: Question) -> Answer:
        """The tags that fit, with evidence. Raises RequiredFacetEmpty where a required facet has no such tag."""
        prototypes = await self._taxonomies.prototypes(question.taxonomy)
        return await asyncio.get_running_loop().run_in_executor(self._answering, self.answer, question, prototypes)

    @property
    def name(self) -> str:
        """What makes shortlists, with its revision."""
        return f"{self._card.engine}@{self._card.revision}"

    async def shortlist(self, question: Question, most: int) -> Sequence[str]:
        """Ids of at most `most` allowed tags, the likeliest first, each facet given room."""
        prototypes = await self._taxonomies.prototypes(question.taxonomy)
        return await asyncio.get_running_loop().run_in_executor(
            self._answering, self._shortlist, question, prototypes, most
        )

    async def close(self) -> None:
        """Ends the threads after the answer that was begun; calling it again does nothing."""
        self._taxonomies.close()
        self._answering.shutdown(wait=True, cancel_futures=True)

    def prototypes(self, taxonomy: Taxonomy) -> Prototypes:
        """The taxonomy as vectors, encoded in the calling thread where it is not known yet."""
        return self._taxonomies.prototypes_here(taxonomy)

    def answer(self, question: Question, prototypes: Prototypes) -> Answer:
        """What `classify` answers, in the calling thread."""
        reading = read(question.summary, question.statements)
        vectors = encode_summary(question.summary, reading.passages, self._encoder)
        if vectors is None:
            return compose_without_content(question, reading, _warnings(reading))
        scores = score(vectors, prototypes, self._scenes, self._coefficients, is_list=bool(question.statements))
        scored = with_evidence(question, prototypes, vectors, scores)
        return compose(scored, self._coefficients.threshold, _warnings(reading))

    def _shortlist(self, question: Question, prototypes: Prototypes, most: int) -> list[str]:
        vectors = encode_summary(question.summary, read(question.summary, question.statements).passages, self._encoder)
        alike = np.zeros(len(prototypes.of_tags)) if vectors is None else likenesses(vectors, prototypes, self._scenes)
        return shortlist(alike, prototypes, question.allowed, most)


def _warnings(reading: Reading) -> Sequence[str]:
    if not reading.characters_left_out:
        return ()
    return (
        f"Only the first {len(reading.passages)} sentences of the summary were read; {reading.characters_left_out}"
        " characters after them were not.",
    )

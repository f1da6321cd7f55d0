"""Hands an engine, with every question, what its first estimates about that taxonomy are worth."""

from __future__ import annotations

from dataclasses import replace

from classifier_service.calibration import Calibrations, Key
from classifier_service.engines.engine import Answer, ClassificationEngine, EngineCard, Question
from classifier_service.taxonomy import Taxonomy


class CalibratedEngine:
    """An engine with its calibrations. Owns the engine."""

    def __init__(self, engine: ClassificationEngine, calibrations: Calibrations) -> None:
        self._engine = engine
        self._calibrations = calibrations

    @property
    def card(self) -> EngineCard:
        """The engine's own."""
        return self._engine.card

    async def prepare(self, taxonomy: Taxonomy) -> None:
        """Prepares the engine."""
        await self._engine.prepare(taxonomy)

    async def classify(self, question: Question) -> Answer:
        """The engine's answer, which says by which calibration it was made. Raises what the engine raises."""
        calibration = self._calibrations.find(calibration_key(question.taxonomy, self.card))
        if calibration is None:
            return await self._engine.classify(question)
        answer = await self._engine.classify(replace(question, calibration=calibration))
        return replace(answer, calibration=calibration.id)

    async def close(self) -> None:
        """Closes the engine."""
        await self._engine.close()


def calibration_key(taxonomy: Taxonomy, card: EngineCard) -> Key:
    """What a calibration of this engine for this taxonomy must have been measured with."""
    return Key(
        taxonomy=taxonomy.id,
        taxonomy_version=taxonomy.version,
        taxonomy_digest=taxonomy.digest,
        engine=card.engine,
        model=card.model,
        revision=card.revision,
        prompt=card.prompt,
    )

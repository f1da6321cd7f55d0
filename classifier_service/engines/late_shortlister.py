"""The embedded engine as a shortlister, loaded when the first large taxonomy is asked about and not before."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from importlib.util import find_spec
from typing import TYPE_CHECKING

from classifier_service.engines.engine import Question
from classifier_service.taxonomy import Taxonomy

if TYPE_CHECKING:
    from classifier_service.engines.embedded import EmbeddedEngine

_NEEDED = ("onnxruntime", "tokenizers")


def can_shortlist() -> bool:
    """Whether the libraries of the embedded engine are installed."""
    return all(find_spec(name) for name in _NEEDED)


class LateShortlister:
    """See `instructor.shortlisting.Shortlister`. Loading takes a second and some hundred MB, which few need."""

    def __init__(self) -> None:
        self._engine: EmbeddedEngine | None = None
        self._loading = asyncio.Lock()

    @property
    def name(self) -> str:
        """What ranks, with its revision; known once it has ranked something."""
        return self._engine.name if self._engine else "embedded"

    async def prepare(self, taxonomy: Taxonomy) -> None:
        """Raises WeightsUnusable where the packaged model is missing."""
        await (await self._loaded()).prepare(taxonomy)

    async def shortlist(self, question: Question, most: int) -> Sequence[str]:
        """Raises WeightsUnusable where the packaged model is missing."""
        return await (await self._loaded()).shortlist(question, most)

    async def close(self) -> None:
        """Ends the engine if there is one."""
        if self._engine is not None:
            await self._engine.close()

    async def _loaded(self) -> EmbeddedEngine:
        async with self._loading:
            if self._engine is None:
                self._engine = await asyncio.to_thread(_load)
        return self._engine


def _load() -> EmbeddedEngine:
    from classifier_service.engines.embedded import EmbeddedEngine  # noqa: PLC0415  # where it is needed at last

    return EmbeddedEngine()

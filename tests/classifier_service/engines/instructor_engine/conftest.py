"""The engine under test, opened against a server that speaks OpenAI's protocol, and answers for that server to give."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass
from typing import Any

import pytest
from fake_openai import FakeOpenAI, Step, fake_openai

from classifier_service.budget import Budget, Limits
from classifier_service.engines.engine import Question
from classifier_service.engines.instructor.endpoint import endpoint
from classifier_service.engines.instructor.engine import InstructorEngine
from classifier_service.engines.instructor.options import InstructorOptions
from vidtomusictags.rpc.telemetry import SILENT, Telemetry

SUMMARY = "Children laugh and dance in a garden. A man shouts at a barking dog."


@dataclass(frozen=True)
class Bench:
    """An engine and the server it talks to."""

    engine: InstructorEngine
    provider: FakeOpenAI
    budget: Budget

    @property
    def requests(self) -> int:
        return len(self.provider.exchanges)


Opened = Callable[..., AbstractAsyncContextManager[Bench]]


@pytest.fixture(scope="session")
def opened() -> Opened:
    """Opens an engine whose provider takes these steps; keywords are options, budget limits, or seconds left."""

    @asynccontextmanager
    async def open_bench(
        *script: Step,
        budget: Limits | None = None,
        seconds: float = 30.0,
        shortlister: Any = None,
        model: str = "openai/gpt-4o",
        telemetry: Telemetry = SILENT,
        **options: Any,
    ) -> AsyncIterator[Bench]:
        async with fake_openai(*script) as provider:
            told = InstructorOptions(endpoint=endpoint(model, base_url=provider.url), **options)
            kept = Budget(budget or Limits())
            engine = InstructorEngine(
                told, budget=kept, remaining_seconds=lambda: seconds, shortlister=shortlister, telemetry=telemetry
            )
            try:
                yield Bench(engine, provider, kept)
            finally:
                await engine.close()

    return open_bench


@pytest.fixture
def laughter(ask: Callable[..., Question]) -> Question:
    """A question about SUMMARY."""
    return ask(SUMMARY)


@pytest.fixture
def answer() -> Callable[..., dict[str, Any]]:
    """An answer without fault about SUMMARY, with whatever a test changes in it."""

    def build(*tags: dict[str, Any], **other: Any) -> dict[str, Any]:
        happy = {"tag": "mood/happy", "confidence": 0.9, "evidence": ["Children laugh and dance"]}
        return {
            "key_information": ["Children laugh"],
            "reasoning": "They laugh.",
            "tags": list(tags) or [happy],
            "no_suitable_tag": ["place"],
            **other,
        }

    return build

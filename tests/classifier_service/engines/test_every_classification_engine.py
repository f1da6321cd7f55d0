"""The contract that every engine of the list keeps."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import AbstractAsyncContextManager, asynccontextmanager

import pytest
from fake_openai import fake_openai, reads_words

from classifier_service.engines import ENGINES, open_engine
from classifier_service.engines.engine import ClassificationEngine, Question
from classifier_service.engines.instructor.endpoint import endpoint
from classifier_service.engines.instructor.options import InstructorOptions
from classifier_service.engines.options import EngineOptions
from classifier_service.taxonomy import Status, Tag, Taxonomy

LAUGHTER = (
    "The video shows a group of children laughing and dancing in a garden. They smile, hug each other and cheer."
    " Behind them a man shouts angrily at a barking dog."
)

Ask = Callable[..., Question]


@asynccontextmanager
async def embedded() -> AsyncIterator[ClassificationEngine]:
    yield open_engine("embedded")


@asynccontextmanager
async def instructor() -> AsyncIterator[ClassificationEngine]:
    async with fake_openai(reads_words) as provider:
        model = InstructorOptions(endpoint=endpoint("openai/gpt-4o", base_url=provider.url))
        yield open_engine("instructor", EngineOptions(instructor=model))


OPENERS: Mapping[str, Callable[[], AbstractAsyncContextManager[ClassificationEngine]]] = {
    "embedded": embedded,
    "instructor": instructor,
}
"""How a test opens each engine of the list, in a form that answers LAUGHTER truthfully."""


@pytest.fixture(scope="module", params=sorted(OPENERS))
async def engine(request: pytest.FixtureRequest) -> AsyncIterator[ClassificationEngine]:
    async with OPENERS[request.param]() as opened:
        yield opened
        await opened.close()


def test_every_engine_of_the_list_is_tested_here() -> None:
    assert set(OPENERS) == set(ENGINES)


async def test_a_tag_that_fits_is_found(engine: ClassificationEngine, ask: Ask) -> None:
    answer = await engine.classify(ask(LAUGHTER))
    assert "mood/happy" in [tag.id for tag in answer.tags]


async def test_only_allowed_tags_are_returned(engine: ClassificationEngine, ask: Ask) -> None:
    answer = await engine.classify(ask(LAUGHTER, allowed=frozenset({"mood/sad", "place/city"}), min_confidence=0.0))
    assert {tag.id for tag in answer.tags} <= {"mood/sad", "place/city"}


async def test_a_confidence_does_not_depend_on_what_is_allowed(engine: ClassificationEngine, ask: Ask) -> None:
    everything = await engine.classify(ask(LAUGHTER))
    alone = await engine.classify(ask(LAUGHTER, allowed=frozenset({"mood/happy"})))
    assert alone.tags[0] in everything.tags


async def test_evidence_and_key_information_are_verbatim(engine: ClassificationEngine, ask: Ask) -> None:
    answer = await engine.classify(ask(LAUGHTER, min_confidence=0.0))
    assert answer.tags
    for tag in answer.tags:
        assert tag.evidence
        for span in tag.evidence:
            assert span.text == LAUGHTER[span.start : span.end]
            assert span.text.strip()
    assert 1 <= len(answer.key_information) <= 5
    places = [LAUGHTER.index(phrase) for phrase in answer.key_information]
    assert places == sorted(places)


async def test_confidences_lie_within_0_and_1_and_fall(engine: ClassificationEngine, ask: Ask) -> None:
    answer = await engine.classify(ask(LAUGHTER, min_confidence=0.0))
    confidences = [tag.confidence for tag in answer.tags]
    assert confidences == sorted(confidences, reverse=True)
    assert all(0.0 <= tag.confidence <= 1.0 and 0.0 <= tag.raw_confidence <= 1.0 for tag in answer.tags)


async def test_equal_questions_get_equal_answers(engine: ClassificationEngine, ask: Ask) -> None:
    first = await engine.classify(ask(LAUGHTER))
    await engine.classify(ask("A man walks his dog through the rain."))
    assert await engine.classify(ask(LAUGHTER)) == first


async def test_no_more_tags_than_asked_for(engine: ClassificationEngine, ask: Ask) -> None:
    answer = await engine.classify(ask(LAUGHTER, max_tags=1, min_confidence=0.0))
    assert len(answer.tags) == 1


async def test_a_facet_that_selects_one_gets_one(engine: ClassificationEngine, ask: Ask) -> None:
    answer = await engine.classify(ask(LAUGHTER, min_confidence=0.0))
    assert sum(tag.id.startswith("place/") for tag in answer.tags) == 1


async def test_a_deprecated_tag_is_never_returned(engine: ClassificationEngine, ask: Ask) -> None:
    old = Tag("joy", "Joy", description="People laughing.", status=Status.DEPRECATED, replaced_by="happy")
    taxonomy = Taxonomy("t", "1.0.0", tags=(old, Tag("happy", "Happy", description="People laughing.")))
    answer = await engine.classify(
        ask(LAUGHTER, taxonomy=taxonomy, allowed=frozenset({"joy", "happy"}), min_confidence=0.0)
    )
    assert [tag.id for tag in answer.tags] == ["happy"]


@pytest.mark.parametrize("summary", ["...", "!?", "\N{GRINNING FACE}", "What the video shows could not be recognised."])
async def test_a_summary_without_content_gets_no_tag(engine: ClassificationEngine, ask: Ask, summary: str) -> None:
    answer = await engine.classify(ask(summary))
    assert answer.tags == ()
    assert answer.reasoning


async def test_the_card_names_engine_model_and_revision(engine: ClassificationEngine) -> None:
    assert engine.card.engine in ENGINES
    assert engine.card.model
    assert engine.card.revision


@pytest.mark.parametrize("name", sorted(OPENERS))
async def test_closing_twice_is_harmless(name: str) -> None:
    async with OPENERS[name]() as opened:
        await opened.close()
        await opened.close()

"""What the embedded engine answers, with the real packaged model."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable

import pytest

from classifier_service.engines.embedded import EmbeddedEngine
from classifier_service.engines.embedded.answering import PERCEPTION_CAP
from classifier_service.engines.engine import Question, Statement
from classifier_service.taxonomy import Facet, Tag, Taxonomy
from vidtomusictags.rpc.failures import RequiredFacetEmpty

Ask = Callable[..., Question]
SQUIRREL = "The video shows a squirrel that gathers nuts in a forest. Birds fly between the trees."


@pytest.fixture(scope="module")
async def engine() -> AsyncIterator[EmbeddedEngine]:
    opened = EmbeddedEngine()
    yield opened
    await opened.close()


async def found(engine: EmbeddedEngine, question: Question) -> list[str]:
    return [tag.id for tag in (await engine.classify(question)).tags]


async def test_animals_in_a_forest_are_nature(engine: EmbeddedEngine, ask: Ask) -> None:
    assert await found(engine, ask(SQUIRREL)) == ["place/nature"]


async def test_a_summary_that_fits_nothing_gets_nothing(engine: EmbeddedEngine, ask: Ask) -> None:
    answer = await engine.classify(ask("A hand fills in a spreadsheet on a laptop and saves the file."))
    assert answer.tags == ()
    assert answer.reasoning.startswith("No tag is suitable: the closest is ")


@pytest.mark.parametrize(
    ("summary", "tag"),
    [
        ("No one is happy. People sit at their desks and type.", "mood/happy"),
        ("Nobody smiles or laughs. People sit at their desks and type.", "mood/happy"),
        ("A room without any animals, plants or landscapes. A man types.", "place/nature"),
        ("There are no people laughing and dancing. A man types at a desk.", "mood/happy"),
        ("Two men sit at a table. They do not shout or fight.", "mood/angry"),
    ],
)
async def test_what_is_denied_gives_no_tag(engine: EmbeddedEngine, ask: Ask, summary: str, tag: str) -> None:
    assert tag not in await found(engine, ask(summary))


async def test_not_only_but_denies_nothing(engine: EmbeddedEngine, ask: Ask) -> None:
    assert "mood/happy" in await found(
        engine, ask("The children are not only smiling but laughing and dancing for joy.")
    )


async def test_a_cue_against_pushes_a_tag_away(engine: EmbeddedEngine, ask: Ask) -> None:
    def taxonomy(*against: str) -> Taxonomy:
        nature = Tag("nature", "Nature", description="Animals, plants and landscapes.", cues_against=against)
        return Taxonomy("t", "1.0.0", tags=(nature, Tag("city", "City", description="Streets and traffic.")))

    async def confidence(*against: str) -> float:
        answer = await engine.classify(ask(SQUIRREL, taxonomy=taxonomy(*against), min_confidence=0.0))
        return next(tag.confidence for tag in answer.tags if tag.id == "nature")

    assert await confidence("squirrels gathering nuts") < await confidence()


async def test_what_a_small_image_classifier_wrote_is_capped(engine: EmbeddedEngine, ask: Ask) -> None:
    sure = await engine.classify(ask(SQUIRREL, statements=(Statement(0, len(SQUIRREL), "content", 0.95),)))
    unsure = await engine.classify(
        ask(SQUIRREL, statements=(Statement(0, len(SQUIRREL), "content", 0.6),), min_confidence=0.0)
    )
    assert sure.tags[0].confidence == PERCEPTION_CAP < sure.tags[0].raw_confidence
    assert unsure.tags[0].confidence == 0.6


async def test_statements_about_the_look_give_no_tag(engine: EmbeddedEngine, ask: Ask) -> None:
    answer = await engine.classify(ask(SQUIRREL, statements=(Statement(0, len(SQUIRREL), "look", 1.0),)))
    assert answer.tags == ()


async def test_a_required_facet_without_a_fitting_tag_is_a_failure(engine: EmbeddedEngine, ask: Ask) -> None:
    taxonomy = Taxonomy(
        "t", "1.0.0", facets=(Facet("mood", required=True),), tags=(Tag("sad", "Sad", "mood", description="Grief."),)
    )
    for summary in (SQUIRREL, "..."):
        with pytest.raises(RequiredFacetEmpty, match=r"'mood'.*'sad'"):
            await engine.classify(ask(summary, taxonomy=taxonomy, min_confidence=0.99))


async def test_usage_counts_the_tokens_that_were_encoded(engine: EmbeddedEngine, ask: Ask) -> None:
    answer = await engine.classify(ask("The video shows a dog."))
    assert answer.usage.prompt_tokens == len(["[CLS]", "a", "dog", ".", "[SEP]"])


@pytest.mark.parametrize(
    "summary",
    [
        "\u0643\u0644\u0628 \u064a\u0631\u0643\u0636 \u0641\u064a \u0627\u0644\u062d\u062f\u064a\u0642\u0629.",
        "\u72ac\u304c\u516c\u5712\u3092\u8d70\u308b\u3002\u9ce5\u304c\u98db\u3076\u3002",
        "Ein Hund rennt \x00 durch den Park.",
        "e\u0301" * 300,
        "\N{FAMILY}" * 50 + " dog",
    ],
)
async def test_odd_text_is_answered(engine: EmbeddedEngine, ask: Ask, summary: str) -> None:
    answer = await engine.classify(ask(summary, min_confidence=0.0))
    assert all(span.text == summary[span.start : span.end] for tag in answer.tags for span in tag.evidence)


async def test_a_very_long_text_is_read_in_part_and_says_so(engine: EmbeddedEngine, ask: Ask) -> None:
    answer = await engine.classify(ask("A dog barks in a park. " * 900))
    assert answer.usage.prompt_tokens < 64 * 10
    assert "Only the first 64 sentences" in answer.warnings[0]


async def test_a_taxonomy_without_descriptions_works(engine: EmbeddedEngine, ask: Ask) -> None:
    taxonomy = Taxonomy("t", "1.0.0", tags=(Tag("n", "Nature"), Tag("o", "Office")))
    answer = await engine.classify(ask(SQUIRREL, taxonomy=taxonomy, min_confidence=0.0))
    assert answer.tags[0].id == "n"


async def test_a_taxonomy_without_tags_gets_no_tag(engine: EmbeddedEngine, ask: Ask) -> None:
    answer = await engine.classify(ask(SQUIRREL, taxonomy=Taxonomy("t", "1.0.0", tags=())))
    assert answer.tags == ()

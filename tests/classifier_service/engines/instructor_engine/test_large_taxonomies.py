"""Taxonomies that do not fit into one prompt, and opinions that are asked for more than once."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from typing import Any

import pytest
from fake_openai import completion, fails, reads_words, says

from classifier_service.engines.engine import Question, Shortlist
from classifier_service.engines.instructor.shortlisting import SizeLimits
from classifier_service.taxonomy import Facet, Tag, Taxonomy
from vidtomusictags.rpc.failures import InvalidRequest, UpstreamAuth

Ask = Callable[..., Question]
Answer = Callable[..., dict[str, Any]]


def large(count: int) -> Taxonomy:
    tags = tuple(Tag(f"mood/{n}", f"Mood {n}", "mood", description=f"Feeling number {n}.") for n in range(count))
    return Taxonomy("large", "1.0.0", facets=(Facet("mood"),), tags=tags)


class Backwards:
    """Lists the last tags that are allowed."""

    name = "backwards@1"

    def __init__(self) -> None:
        self.closed = False
        self.prepared: list[str] = []

    async def prepare(self, taxonomy: Taxonomy) -> None:
        self.prepared.append(taxonomy.id)

    async def shortlist(self, question: Question, most: int) -> Sequence[str]:
        return [tag.id for tag in reversed(question.taxonomy.active) if tag.id in question.allowed][:most]

    async def close(self) -> None:
        self.closed = True


async def test_a_shortlist_goes_to_the_model_and_is_told(opened: Any, ask: Ask) -> None:
    shortlister = Backwards()
    sizes = SizeLimits(most_tags=20, shortlist_tags=10)
    async with opened(reads_words, shortlister=shortlister, sizes=sizes) as bench:
        answered = await bench.engine.classify(ask("A feeling of number 99.", taxonomy=large(100)))
        body = bench.provider.exchanges[0].body
    expected = [f"mood/{n}" for n in range(99, 89, -1)]
    schema = body["response_format"]["json_schema"]["schema"]
    assert schema["properties"]["tags"]["items"]["properties"]["tag"]["enum"] == expected
    user = body["messages"][1]["content"]
    assert [json.loads(line)["id"] for line in user.splitlines() if line.startswith("{")] == expected
    assert user.endswith("<summary>\nA feeling of number 99.\n</summary>")
    assert '"mood/5"' not in json.dumps(body)
    assert answered.shortlist == Shortlist(10, 100, "backwards@1")
    assert {tag.id for tag in answered.tags} <= set(expected)
    assert shortlister.closed


async def test_only_a_taxonomy_that_needs_a_shortlist_is_prepared(opened: Any) -> None:
    shortlister = Backwards()
    async with opened(reads_words, shortlister=shortlister, sizes=SizeLimits(most_tags=20)) as bench:
        await bench.engine.prepare(large(20))
        assert shortlister.prepared == []
        await bench.engine.prepare(large(21))
        assert shortlister.prepared == ["large"]


async def test_the_beginning_stays_the_same_with_a_shortlist(opened: Any, ask: Ask) -> None:
    async with opened(reads_words, shortlister=Backwards(), sizes=SizeLimits(20, 15_000, 10)) as bench:
        for allowed in (range(50), range(50, 100)):
            ids = frozenset(f"mood/{n}" for n in allowed)
            await bench.engine.classify(ask("A feeling.", taxonomy=large(100), allowed=ids))
        first, second = (exchange.messages for exchange in bench.provider.exchanges)
    assert first[0] == second[0]
    assert first[1] != second[1]


async def test_what_include_leaves_goes_to_the_model_whole_where_it_fits(opened: Any, ask: Ask) -> None:
    ids = frozenset({"mood/3", "mood/4"})
    async with opened(reads_words, shortlister=None, sizes=SizeLimits(20, 15_000, 10)) as bench:
        answered = await bench.engine.classify(ask("A feeling of number 3.", taxonomy=large(100), allowed=ids))
    assert answered.shortlist == Shortlist(2, 2, "include and exclude")


async def test_long_ids_count_as_well_as_many(opened: Any, ask: Ask) -> None:
    async with opened(reads_words, shortlister=Backwards(), sizes=SizeLimits(200, 500, 10)) as bench:
        answered = await bench.engine.classify(ask("A feeling.", taxonomy=large(100)))
    assert answered.shortlist is not None


async def test_without_an_encoder_a_large_taxonomy_is_refused_not_cut(opened: Any, ask: Ask) -> None:
    async with opened(reads_words, shortlister=None, sizes=SizeLimits(20, 15_000, 10)) as bench:
        with pytest.raises(InvalidRequest) as raised:
            await bench.engine.classify(ask("A feeling.", taxonomy=large(100)))
        assert bench.requests == 0
    assert raised.value.field == "options.include"


async def test_a_tag_that_was_not_on_the_shortlist_is_not_taken(opened: Any, ask: Ask, answer: Answer) -> None:
    absent = {"tag": "mood/1", "confidence": 0.9, "evidence": ["A feeling"]}
    async with opened(
        says(answer(absent)), shortlister=Backwards(), sizes=SizeLimits(20, 15_000, 10), reasks=0
    ) as bench:
        answered = await bench.engine.classify(ask("A feeling.", taxonomy=large(100)))
    assert answered.tags == ()
    assert answered.warnings


async def test_several_opinions_are_asked_apart_and_combined(opened: Any, laughter: Question, answer: Answer) -> None:
    def opinion(confidence: float) -> Any:
        return says(answer({"tag": "mood/happy", "confidence": confidence, "evidence": ["Children laugh"]}))

    async with opened(opinion(0.9), opinion(0.6), opinion(0.9), samples=3) as bench:
        answered = await bench.engine.classify(laughter)
        bodies = [exchange.body for exchange in bench.provider.exchanges]
    assert [tag.raw_confidence for tag in answered.tags] == [0.8]
    assert {body["temperature"] for body in bodies} == {0.7}
    assert len({body["seed"] for body in bodies}) == 3
    assert answered.usage.attempts == 3
    assert answered.usage.prompt_tokens == 3000


async def test_one_opinion_that_cannot_be_had_fails_the_call_by_its_own_name(
    opened: Any, laughter: Question, answer: Answer
) -> None:
    async with opened(says(answer()), fails(401), says(answer()), samples=3) as bench:
        with pytest.raises(UpstreamAuth):
            await bench.engine.classify(laughter)


async def test_probabilities_of_tokens_weigh_the_confidence(opened: Any, laughter: Question, answer: Answer) -> None:
    text = json.dumps(answer())
    before, _, after = text.partition("mood/happy")

    async def doubtful(exchange: Any) -> None:
        logprobs = [(before, 0.0), ("mood/happy", -0.5), (after, 0.0)]
        await exchange.send(200, completion(text, logprobs=logprobs))

    async with opened(doubtful, logprobs=True) as bench:
        answered = await bench.engine.classify(laughter)
        assert bench.provider.exchanges[0].body["logprobs"] is True
    assert answered.tags[0].raw_confidence == pytest.approx((0.9 * 2.718281828**-0.5) ** 0.5, abs=1e-4)

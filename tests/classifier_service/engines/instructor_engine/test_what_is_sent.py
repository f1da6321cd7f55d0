"""What a provider receives, read on its side of the wire."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
from fake_openai import fails, says

from classifier_service.engines.engine import Question
from classifier_service.engines.instructor.options import InstructorOptions
from classifier_service.prompts import named_template
from classifier_service.taxonomy import Tag, Taxonomy

Ask = Callable[..., Question]
Answer = Callable[..., dict[str, Any]]


async def test_the_prototype_is_the_default(opened: Any, laughter: Question, answer: Answer) -> None:
    async with opened(says(answer())) as bench:
        await bench.engine.classify(laughter)
        body = bench.provider.exchanges[0].body
    assert (body["model"], body["temperature"]) == ("gpt-4o", 0.0)
    assert InstructorOptions().reasks == 3


async def test_a_strict_schema_of_the_taxonomys_tags_is_on_the_wire(
    opened: Any, laughter: Question, answer: Answer
) -> None:
    async with opened(says(answer())) as bench:
        await bench.engine.classify(laughter)
        sent = bench.provider.exchanges[0].body["response_format"]
    assert sent["type"] == "json_schema"
    assert sent["json_schema"]["strict"] is True
    schema = sent["json_schema"]["schema"]
    tag = schema["properties"]["tags"]["items"]
    assert tag["properties"]["tag"]["enum"] == [tag.id for tag in laughter.taxonomy.active]
    for part in (schema, tag):  # what strict modes ask of every object
        assert part["additionalProperties"] is False
        assert part["required"] == list(part["properties"])


async def test_the_beginning_of_the_prompt_is_the_same_bytes_in_every_call(
    opened: Any, ask: Ask, answer: Answer
) -> None:
    async with opened(says(answer())) as bench:
        await bench.engine.classify(ask("Children laugh and dance in a garden."))
        await bench.engine.classify(
            ask("Children laugh and dance, it rains.", max_tags=1, allowed=frozenset({"mood/sad"}))
        )
        first, second = (json.dumps(exchange.body) for exchange in bench.provider.exchanges)
        systems = {exchange.messages[0]["content"] for exchange in bench.provider.exchanges}
        schemas = {json.dumps(exchange.body["response_format"]) for exchange in bench.provider.exchanges}
    assert len(systems) == len(schemas) == 1
    assert first != second


async def test_two_engines_send_the_same_beginning(opened: Any, laughter: Question, answer: Answer) -> None:
    systems = set()
    for _ in range(2):
        async with opened(says(answer())) as bench:
            await bench.engine.classify(laughter)
            systems.add(bench.provider.exchanges[0].messages[0]["content"])
    assert len(systems) == 1


async def test_the_summary_comes_last_and_fenced(opened: Any, laughter: Question, answer: Answer) -> None:
    async with opened(says(answer())) as bench:
        await bench.engine.classify(laughter)
        messages = bench.provider.exchanges[0].messages
    assert [message["role"] for message in messages] == ["system", "user"]
    assert messages[1]["content"] == f"<summary>\n{laughter.summary}\n</summary>"
    assert laughter.summary not in messages[0]["content"]


async def test_descriptions_and_cues_are_told(opened: Any, ask: Ask, answer: Answer) -> None:
    tag = Tag(
        "a",
        "Alpha",
        description="The first.",
        cues_for=("dawn",),
        cues_against=("dusk",),
        synonyms=("one",),
        excludes=("b",),
    )
    taxonomy = Taxonomy("t", "1.0.0", tags=(tag, Tag("b", "Beta", parent="a")))
    async with opened(says(answer(tags=[], no_suitable_tag=[]))) as bench:
        await bench.engine.classify(ask("Children laugh.", taxonomy=taxonomy))
        system = bench.provider.exchanges[0].messages[0]["content"]
    lines = [json.loads(line) for line in system.splitlines() if line.startswith('{"id"')]
    assert lines == [
        {
            "id": "a",
            "label": "Alpha",
            "description": "The first.",
            "synonyms": ["one"],
            "signs": ["dawn"],
            "against": ["dusk"],
            "not_with": ["b"],
        },
        {"id": "b", "label": "Beta", "narrower_than": "a"},
    ]


async def test_the_publishers_own_context_takes_the_place_of_ours(
    opened: Any, laughter: Question, answer: Answer
) -> None:
    async with opened(says(answer()), business_context="We sell harp music to spas.") as bench:
        await bench.engine.classify(laughter)
        system = bench.provider.exchanges[0].messages[0]["content"]
        named = bench.engine.card.prompt
    template = named_template("publisher")
    assert system.startswith("We sell harp music to spas.\n")
    assert template.business_context not in system
    assert template.instructions in system
    assert named.startswith(f"{template.title}+context.")


async def test_what_an_endpoint_refuses_is_left_out_from_then_on(
    opened: Any, laughter: Question, answer: Answer
) -> None:
    refusal = fails(
        400, "invalid_request_error", "response_format is not supported by this model", param="response_format"
    )
    no_seed = fails(422, "", "Extra inputs are not permitted: seed")
    fenced = says("Here you are:\n```json\n" + json.dumps(answer()) + "\n```")
    async with opened(refusal, no_seed, fenced) as bench:
        first = await bench.engine.classify(laughter)
        again = await bench.engine.classify(laughter)
        bodies = [exchange.body for exchange in bench.provider.exchanges]
    assert [tag.id for tag in first.tags] == ["mood/happy"]
    assert "response_format" in bodies[0]
    assert all("response_format" not in body for body in bodies[1:])
    assert "seed" in bodies[1] and "seed" not in bodies[2]
    assert first.usage.attempts == 3
    assert again.usage.attempts == 1
    assert again.made_by is not None
    assert "strict_schema" not in again.made_by.capabilities
    assert "temperature" in again.made_by.capabilities


async def test_declared_capabilities_are_all_that_is_used(opened: Any, laughter: Question, answer: Answer) -> None:
    async with opened(says(answer()), capabilities=["temperature"]) as bench:
        answered = await bench.engine.classify(laughter)
        body = bench.provider.exchanges[0].body
    assert not {"response_format", "seed", "logprobs", "tools"} & set(body)
    assert [tag.id for tag in answered.tags] == ["mood/happy"]


async def test_a_newer_models_name_for_the_bound_is_learned(opened: Any, laughter: Question, answer: Answer) -> None:
    refusal = fails(
        400, "unsupported_parameter", "Unsupported parameter: 'max_tokens'. Use 'max_completion_tokens' instead."
    )
    async with opened(refusal, says(answer())) as bench:
        await bench.engine.classify(laughter)
        body = bench.provider.exchanges[1].body
    assert body["max_completion_tokens"] == InstructorOptions().max_output_tokens
    assert "max_tokens" not in body


async def test_nothing_is_taken_from_the_environment(
    opened: Any, laughter: Question, answer: Answer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OPENAI_BASE_URL", "http://127.0.0.1:9/v1")
    monkeypatch.setenv("OPENAI_API_KEY", "sk-of-the-environment")
    async with opened(says(answer())) as bench:
        await bench.engine.classify(laughter)
        headers = bench.provider.exchanges[0].headers
    assert "sk-of-the-environment" not in str(headers)


async def test_a_summary_without_words_is_not_sent(opened: Any, laughter: Question, answer: Answer) -> None:
    async with opened(says(answer())) as bench:
        answered = await bench.engine.classify(replace(laughter, summary="?! ..."))
        assert bench.requests == 0
    assert answered.tags == ()
    assert answered.usage.attempts == 0

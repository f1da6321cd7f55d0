"""What becomes of answers that break the rules: asked again with the reason, then dropped and told of, or refused."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest
from fake_openai import refuses, says

from classifier_service.engines.engine import Question
from classifier_service.taxonomy import Facet, Tag, Taxonomy
from vidtomusictags.rpc.failures import AnswerInvalid, ContentRefused, RequiredFacetEmpty

Ask = Callable[..., Question]
Answer = Callable[..., dict[str, Any]]

EVIDENCE = ["A man shouts"]
SAD = {"tag": "mood/sad", "confidence": 0.8, "evidence": EVIDENCE}
WRONG = {
    "a tag outside the taxonomy": ({"tag": "mood/unicorn", "confidence": 0.8, "evidence": EVIDENCE}, "is no id"),
    "a confidence above 1": ({**SAD, "confidence": 7}, "not between 0 and 1"),
    "a confidence below 0": ({**SAD, "confidence": -0.1}, "not between 0 and 1"),
    "made-up evidence": ({**SAD, "evidence": ["A woman weeps"]}, "is not in the summary"),
    "no evidence": ({**SAD, "evidence": []}, "has no evidence"),
    "evidence that says nothing": ({**SAD, "evidence": ["a"]}, "is not in the summary"),
    "half a word for evidence": ({**SAD, "evidence": ["hildren laug"]}, "is not in the summary"),
}


@pytest.mark.parametrize(("tag", "reason"), WRONG.values(), ids=WRONG.keys())
async def test_it_is_asked_again_with_the_reason(
    opened: Any, laughter: Question, answer: Answer, tag: dict[str, Any], reason: str
) -> None:
    good = answer()
    wrong = answer(*good["tags"], tag)
    async with opened(says(wrong), says(good)) as bench:
        answered = await bench.engine.classify(laughter)
        first, second = bench.provider.exchanges
    assert [tag.id for tag in answered.tags] == ["mood/happy"]
    assert answered.usage.attempts == 2
    assert answered.warnings == ()
    assert [message["role"] for message in second.messages] == ["system", "user", "assistant", "user"]
    assert second.messages[:2] == first.messages
    assert json.loads(second.messages[2]["content"]) == wrong
    assert reason in second.messages[3]["content"]


@pytest.mark.parametrize(("tag", "reason"), WRONG.values(), ids=WRONG.keys())
async def test_what_stays_wrong_is_left_out_with_a_warning(
    opened: Any, laughter: Question, answer: Answer, tag: dict[str, Any], reason: str
) -> None:
    async with opened(says(answer(*answer()["tags"], tag)), reasks=2) as bench:
        answered = await bench.engine.classify(laughter)
        assert bench.requests == 3
    assert [tag.id for tag in answered.tags] == ["mood/happy"]
    assert answered.usage.attempts == 3
    assert len(answered.warnings) >= 1
    assert "unicorn" not in " ".join(answered.warnings)


@pytest.mark.parametrize(("tag", "reason"), WRONG.values(), ids=WRONG.keys())
async def test_by_the_other_policy_the_answer_is_refused(
    opened: Any, laughter: Question, answer: Answer, tag: dict[str, Any], reason: str
) -> None:
    async with opened(says(answer(*answer()["tags"], tag)), reasks=1, invalid_answers="refuse") as bench:
        with pytest.raises(AnswerInvalid) as raised:
            await bench.engine.classify(laughter)
    assert raised.value.details["attempts"] == "2"
    assert raised.value.details["completion_tokens"] == "200"


async def test_a_confidence_that_is_no_number_is_never_returned(
    opened: Any, laughter: Question, answer: Answer
) -> None:
    text = json.dumps(answer({**SAD, "confidence": float("nan")}))
    assert "NaN" in text
    async with opened(says(text), reasks=0) as bench:
        answered = await bench.engine.classify(laughter)
    assert answered.tags == ()
    assert answered.warnings


async def test_a_tag_given_twice_is_asked_again_and_then_counts_once(
    opened: Any, laughter: Question, answer: Answer
) -> None:
    sure, unsure = ({**SAD, "confidence": confidence} for confidence in (0.9, 0.6))
    async with opened(says(answer(unsure, sure)), reasks=1) as bench:
        answered = await bench.engine.classify(laughter)
        assert "given twice" in bench.provider.exchanges[1].messages[3]["content"]
    assert [(tag.id, tag.confidence) for tag in answered.tags] == [("mood/sad", 0.9)]
    assert answered.warnings


async def test_tags_that_exclude_each_other_are_asked_again_and_then_the_surer_stays(
    opened: Any, ask: Ask, answer: Answer
) -> None:
    taxonomy = Taxonomy("t", "1.0.0", tags=(Tag("joy", "Joy", excludes=("grief",)), Tag("grief", "Grief")))
    both = [{"tag": id, "confidence": c, "evidence": ["Children laugh"]} for id, c in (("grief", 0.6), ("joy", 0.9))]
    async with opened(says(answer(*both)), reasks=1) as bench:
        answered = await bench.engine.classify(ask("Children laugh.", taxonomy=taxonomy))
        assert "exclude each other" in bench.provider.exchanges[1].messages[3]["content"]
    assert [tag.id for tag in answered.tags] == ["joy"]
    assert any("exclude each other" in warning for warning in answered.warnings)


NO_ANSWER = {
    "broken JSON": '{"tags": [{"tag": "mood/ha',
    "no JSON": "I would say it is a happy clip.",
    "another object": '{"mood": "happy"}',
    "a list": '["mood/happy"]',
    "nothing": "",
    "a number too deep": '{"tags": 5}',
}


@pytest.mark.parametrize("text", NO_ANSWER.values(), ids=NO_ANSWER.keys())
async def test_what_is_no_answer_is_asked_again(opened: Any, laughter: Question, answer: Answer, text: str) -> None:
    async with opened(says(text), says(answer())) as bench:
        answered = await bench.engine.classify(laughter)
        again = bench.provider.exchanges[1].messages[-1]["content"]
    assert [tag.id for tag in answered.tags] == ["mood/happy"]
    assert answered.usage.attempts == 2
    assert "not the JSON object" in again


@pytest.mark.parametrize("text", NO_ANSWER.values(), ids=NO_ANSWER.keys())
async def test_what_never_becomes_an_answer_is_refused_by_either_policy(
    opened: Any, laughter: Question, text: str
) -> None:
    async with opened(says(text)) as bench:
        with pytest.raises(AnswerInvalid) as raised:
            await bench.engine.classify(laughter)
        assert bench.requests == 4
    assert raised.value.details["attempts"] == "4"


async def test_an_answer_that_was_cut_is_asked_again_more_briefly(
    opened: Any, laughter: Question, answer: Answer
) -> None:
    whole = json.dumps(answer())
    async with opened(says(whole[: len(whole) // 2], finish="length"), says(answer())) as bench:
        answered = await bench.engine.classify(laughter)
        assert "be brief" in bench.provider.exchanges[1].messages[-1]["content"]
    assert answered.usage.attempts == 2


async def test_an_answer_that_is_always_cut_is_refused(opened: Any, laughter: Question) -> None:
    async with opened(says('{"tags": [', finish="length")) as bench:
        with pytest.raises(AnswerInvalid) as raised:
            await bench.engine.classify(laughter)
    assert raised.value.details["attempts"] == "4"


@pytest.mark.parametrize("step", [refuses(), says("", finish="content_filter")], ids=["refusal", "content filter"])
async def test_a_refusal_is_final_and_not_paid_for_twice(opened: Any, laughter: Question, step: Any) -> None:
    async with opened(step) as bench:
        with pytest.raises(ContentRefused) as raised:
            await bench.engine.classify(laughter)
        assert bench.requests == 1
    assert raised.value.details["attempts"] == "1"
    assert "can't help" not in str(raised.value)


async def test_a_tag_called_by_its_label_is_understood(opened: Any, laughter: Question, answer: Answer) -> None:
    async with opened(says(answer({**SAD, "tag": "SAD"}))) as bench:
        answered = await bench.engine.classify(laughter)
    assert [tag.id for tag in answered.tags] == ["mood/sad"]


async def test_evidence_is_returned_as_the_summary_has_it(opened: Any, ask: Ask, answer: Answer) -> None:
    summary = "The kids\n  \N{LEFT DOUBLE QUOTATION MARK}laugh\N{RIGHT DOUBLE QUOTATION MARK} a lot."
    tag = {"tag": "mood/happy", "confidence": 0.9, "evidence": ["\"The kids 'Laugh' a lot...\""]}
    async with opened(says(answer(tag))) as bench:
        answered = await bench.engine.classify(ask(summary))
        assert bench.requests == 1
    (span,) = answered.tags[0].evidence
    assert span.text == summary[span.start : span.end] == summary[:-1]


async def test_a_required_facet_may_be_denied_but_not_forgotten(opened: Any, ask: Ask, answer: Answer) -> None:
    taxonomy = Taxonomy(
        "t",
        "1.0.0",
        facets=(Facet("mood"), Facet("place", required=True)),
        tags=(Tag("joy", "Joy", "mood"), Tag("town", "Town", "place")),
    )
    joy = {"tag": "joy", "confidence": 0.9, "evidence": ["Children laugh"]}
    async with opened(says(answer(joy, no_suitable_tag=[])), says(answer(joy, no_suitable_tag=["place"]))) as bench:
        with pytest.raises(RequiredFacetEmpty):
            await bench.engine.classify(ask("Children laugh.", taxonomy=taxonomy))
        assert bench.requests == 2
        assert "The facet place needs a tag" in bench.provider.exchanges[1].messages[-1]["content"]


async def test_a_facet_that_the_model_denies_is_told(opened: Any, laughter: Question, answer: Answer) -> None:
    async with opened(says(answer())) as bench:
        answered = await bench.engine.classify(laughter)
    assert answered.without_suitable_tag == ("place",)


async def test_a_summary_that_a_measurement_wrote_bounds_the_confidence(opened: Any, ask: Ask, answer: Answer) -> None:
    from classifier_service.engines.engine import Statement

    summary = "Children laugh and dance in a garden."
    said = (Statement(0, len(summary), "content", 0.4),)
    async with opened(says(answer())) as bench:
        answered = await bench.engine.classify(ask(summary, statements=said, min_confidence=0.0))
    assert (answered.tags[0].confidence, answered.tags[0].raw_confidence) == (0.4, 0.9)

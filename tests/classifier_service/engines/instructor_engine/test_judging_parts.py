"""Quotes, forms of answers, second opinions: what can be seen without a provider."""

from __future__ import annotations

import json
import math
from typing import Any

import pytest
from pydantic import ValidationError

from classifier_service.engines.engine import ScoredTag, Span
from classifier_service.engines.instructor.answer_form import AnswerForms, Draft, schema_for
from classifier_service.engines.instructor.judging import Judged
from classifier_service.engines.instructor.quotes import QuotedSummary
from classifier_service.engines.instructor.second_opinion import combined, with_probabilities

FOUND = {
    "as it stands": ("A dog runs in the park.", "dog runs", "dog runs"),
    "another case": ("A Dog runs.", "a dog", "A Dog"),
    "other blanks": ("A dog\n\n runs.", "dog runs", "dog\n\n runs"),
    "ellipsis and stop": ("A dog runs fast.", "...dog runs...", "dog runs"),
    "curly quotation marks": ("He says \u201cgo\u201d now.", 'says "go" now', "says \u201cgo\u201d now"),
    "other hyphens": ("A well\u2011known dog.", "well-known dog", "well\u2011known dog"),
    "full width": ("\uff24\uff4f\uff47 runs.", "Dog runs", "\uff24\uff4f\uff47 runs"),
    "Chinese": ("\u4e00\u53ea\u72d7\u5728\u5954\u8dd1\u3002", "\u72d7\u5728", "\u72d7\u5728"),
    "Arabic": ("\u0643\u0644\u0628 \u064a\u0631\u0643\u0636", "\u064a\u0631\u0643\u0636", "\u064a\u0631\u0643\u0636"),
    "emoji between": ("A dog \N{DOG FACE} runs.", "dog \N{DOG FACE} runs", "dog \N{DOG FACE} runs"),
    "a ligature": ("A \ufb01ne dog.", "fine dog", "\ufb01ne dog"),
    "a later whole word": ("Catfish and a cat.", "cat", "cat"),
}  # fmt: skip


@pytest.mark.parametrize(("summary", "quote", "span"), FOUND.values(), ids=FOUND.keys())
def test_a_quote_is_found_as_the_summary_has_it(summary: str, quote: str, span: str) -> None:
    found = QuotedSummary(summary).find(quote)
    assert found is not None
    assert found.text == span == summary[found.start : found.end]


@pytest.mark.parametrize("quote", ["a cat", "runs dog", "og run", "do", "", "...", "a", '"', "dogs", "dog  walks"])
def test_what_the_summary_does_not_say_is_not_found(quote: str) -> None:
    assert QuotedSummary("A dog runs in the park.").find(quote) is None


def test_a_long_summary_is_searched_quickly() -> None:
    summary = QuotedSummary("a " * 50_000)
    assert summary.find("aa" * 100) is not None
    assert summary.find("b") is None


def test_the_schema_is_built_once_for_a_taxonomy() -> None:
    forms = AnswerForms()
    first = forms.form("digest", ["a", "b"], ["mood"])
    assert forms.form("digest", ["a", "b"], ["mood"]) is first
    assert forms.form("other", ["a", "b"], ["mood"]) is not first
    assert forms.form("digest", ["a"], ["mood"]) is not first


def test_a_form_is_forgotten_before_there_are_too_many() -> None:
    forms = AnswerForms()
    for number in range(200):
        forms.form(str(number), ["a"], [])
    assert len(forms._kept) <= 64


def test_pydantic_shows_other_providers_the_same_schema() -> None:
    form = AnswerForms().form("digest", ["a"], ["mood"])
    assert form.model_json_schema() == {"title": "VideoTags", **schema_for(["a"], ["mood"])}


GOOD = {"key_information": [], "reasoning": "", "tags": [{"tag": "a", "confidence": 0.5}], "no_suitable_tag": []}
READABLE = {
    "JSON": json.dumps(GOOD),
    "a fence": f"```json\n{json.dumps(GOOD)}\n```",
    "prose around it": f"Sure! {json.dumps(GOOD)} I hope this helps.",
    "a draft before it": f'First thought: {{"tags": []}}. Better: {json.dumps(GOOD)}',
    "a brace before it": f"{{ not this }} {json.dumps(GOOD)}",
    "a number as text": json.dumps({**GOOD, "tags": [{"tag": "a", "confidence": "0.5", "evidence": "one"}]}),
    "more fields": json.dumps({**GOOD, "extra": 1}),
    "fewer fields": json.dumps({"tags": GOOD["tags"]}),
}


@pytest.mark.parametrize("text", READABLE.values(), ids=READABLE.keys())
def test_models_without_strict_mode_are_understood(text: str) -> None:
    assert [(tag.tag, tag.confidence) for tag in Draft.model_validate_json(text).tags] == [("a", 0.5)]


@pytest.mark.parametrize("text", ["", "{", "[1]", "{" * 100_000, '{"tags": {}}', "null", '"tags"', "\x00"])
def test_what_cannot_be_read_is_told_quickly(text: str) -> None:
    with pytest.raises(ValidationError):
        Draft.model_validate_json(text)


def opinion(*, reasoning: str = "", denied: tuple[str, ...] = (), **confidences: float) -> Judged:
    tags = [ScoredTag(id, c, c, (Span(0, 1, id),)) for id, c in confidences.items()]
    return Judged(tuple(tags), (), (), reasoning, denied)


def test_one_opinion_is_taken_as_it_is() -> None:
    only = opinion(a=0.9)
    assert combined([only]) is only


def test_several_opinions_give_the_mean_and_silence_counts_as_zero() -> None:
    judged = combined([opinion(a=0.9, b=0.6), opinion(a=0.6), opinion(a=0.9)])
    assert {tag.id: tag.raw_confidence for tag in judged.tags} == {"a": 0.8, "b": 0.2}


def test_the_reasoning_is_that_of_the_nearest_opinion_and_denials_must_be_shared() -> None:
    far = opinion(a=0.1, reasoning="far", denied=("place",))
    near = opinion(a=0.7, reasoning="near", denied=("place", "genre"))
    judged = combined([far, near, opinion(a=0.9, reasoning="high", denied=("place",))])
    assert judged.reasoning == "near"
    assert judged.without_suitable_tag == ("place",)


def test_a_tag_that_was_named_with_doubt_loses_confidence() -> None:
    text = '{"tags": [{"tag": "mood/joy"}, {"tag": "calm"}]}'
    pieces: list[Any] = ['{"tags": [{"tag": "', "mood", "/joy", '"}, {"tag": "', "calm", '"}]}']
    logprobs = [(piece, math.log(0.5) if piece in ("mood", "/joy") else 0.0) for piece in pieces]
    tags = (ScoredTag("mood/joy", 0.9, 0.9), ScoredTag("calm", 0.8, 0.8), ScoredTag("gone", 0.7, 0.7))
    judged = with_probabilities(Judged(tags, (), (), "", ()), text, logprobs)
    assert {tag.id: tag.raw_confidence for tag in judged.tags} == {
        "mood/joy": round(math.sqrt(0.9 * 0.25), 4),
        "calm": round(math.sqrt(0.8), 4),
        "gone": 0.7,
    }
    assert [tag.id for tag in judged.tags] == ["calm", "gone", "mood/joy"]


def test_probabilities_of_another_text_change_nothing() -> None:
    judged = opinion(a=0.9)
    assert with_probabilities(judged, '{"a": 1}', [("something else", -5.0)]) is judged

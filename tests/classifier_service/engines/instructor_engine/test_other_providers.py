"""Providers whose own clients differ from OpenAI's: their exceptions, their counts, their missing parameters."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from types import SimpleNamespace
from typing import Any

import pytest

from classifier_service.budget import Budget, Limits
from classifier_service.engines.engine import Question
from classifier_service.engines.instructor.endpoint import endpoint
from classifier_service.engines.instructor.engine import InstructorEngine
from classifier_service.engines.instructor.options import InstructorOptions
from classifier_service.engines.instructor.provider import Request
from classifier_service.engines.instructor.replies import Completion, Tokens, read_reply
from classifier_service.engines.instructor.troubles import Kind, read_trouble

Answer = Callable[..., dict[str, Any]]


class Picky:
    """A client that knows no temperature, as Anthropic's."""

    def __init__(self, answer: dict[str, Any]) -> None:
        self._answer = answer
        self.engine: InstructorEngine | None = None
        self.calls = 0

    async def complete(self, request: Request) -> Completion:
        self.calls += 1
        assert self.engine is not None
        if "temperature" in self.engine.card.capabilities:
            raise TypeError("AsyncMessages.create() got an unexpected keyword argument 'temperature'")
        return Completion(request.form.model_validate(self._answer), "", Tokens(17, 7, 5))

    async def close(self) -> None: ...


async def test_a_parameter_that_a_client_does_not_know_is_left_out_and_counts_as_no_attempt(
    laughter: Question, answer: Answer
) -> None:
    provider = Picky(answer())
    options = InstructorOptions(endpoint=endpoint("anthropic/claude"))
    engine = InstructorEngine(options, budget=Budget(Limits()), remaining_seconds=lambda: 10.0, provider=provider)
    provider.engine = engine
    answered = await engine.classify(laughter)
    assert provider.calls == 2
    assert answered.usage.attempts == 1
    assert engine.card.capabilities == ("max_tokens",)


@dataclass
class AnthropicUsage:
    input_tokens: int = 10
    output_tokens: int = 5
    cache_read_input_tokens: int = 7


def test_tokens_are_read_in_each_familys_words() -> None:
    anthropic = SimpleNamespace(usage=AnthropicUsage(), stop_reason="max_tokens")
    google = SimpleNamespace(
        usage=None,
        usage_metadata=SimpleNamespace(prompt_token_count=30, candidates_token_count=4, cached_content_token_count=20),
    )
    assert read_reply(anthropic, None).tokens == Tokens(17, 7, 5)
    assert read_reply(anthropic, None).cut
    assert read_reply(google, None).tokens == Tokens(30, 20, 4)
    assert read_reply(SimpleNamespace(), None).tokens is None


def error(name: str, **attributes: Any) -> Exception:
    made: Exception = type(name, (Exception,), {})("words")
    for key, value in attributes.items():
        setattr(made, key, value)
    return made


EXCEPTIONS = {
    "Google's code": (error("ClientError", code=429, message="Resource exhausted"), Kind.RATE_LIMIT),
    "Anthropic's overload": (error("OverloadedError", status_code=529), Kind.UNAVAILABLE),
    "empty purse at Anthropic": (
        error("BadRequestError", status_code=400, message="Your credit balance is too low"),
        Kind.QUOTA,
    ),
    "a prompt too long for Anthropic": (
        error("BadRequestError", status_code=400, message="prompt is too long: 300000 tokens > 200000 maximum"),
        Kind.CONTEXT,
    ),
    "no connection": (error("APIConnectionError"), Kind.UNAVAILABLE),
    "no answer in time": (error("APITimeoutError"), Kind.TIMEOUT),
    "a broken page": (error("APIResponseValidationError", status_code=200), Kind.UNAVAILABLE),
}


@pytest.mark.parametrize(("raised", "kind"), EXCEPTIONS.values(), ids=EXCEPTIONS.keys())
def test_troubles_are_read_by_their_shape(raised: Exception, kind: Kind) -> None:
    wrapped = RuntimeError("InstructorRetryException")
    wrapped.__cause__ = raised
    trouble = read_trouble(wrapped)
    assert trouble is not None
    assert trouble.kind is kind


def test_what_no_provider_caused_is_not_read_as_theirs() -> None:
    assert read_trouble(ValueError("a fault of ours")) is None
    assert read_trouble(TypeError("'NoneType' object is not iterable")) is None

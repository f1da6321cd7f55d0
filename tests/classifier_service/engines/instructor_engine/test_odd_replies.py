"""Replies that no contract foresees: each ends in a failure with a name, never in an exception of a library."""

from __future__ import annotations

import json
from typing import Any

import pytest
from fake_openai import Exchange, Step, completion

from classifier_service.engines.engine import Question
from vidtomusictags.rpc.failures import AnswerInvalid, Failure, UpstreamBroken, UpstreamRejected, UpstreamUnavailable

NAMED = (AnswerInvalid, UpstreamUnavailable, UpstreamRejected, UpstreamBroken)


def sends(content: object, status: int = 200, **headers: str) -> Step:
    async def step(exchange: Exchange) -> None:
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        body = content if isinstance(content, bytes) else json.dumps(content).encode()
        await exchange.send_bytes(status, body, named)

    return step


def choice(**changes: Any) -> Any:
    whole = completion("{}")
    whole["choices"][0].update(changes)
    return whole


ODD = {
    "an error with a success": sends({"error": {"message": "boom"}}),
    "an empty object": sends({}),
    "a list": sends([]),
    "nothing": sends(b""),
    "null": sends(None),
    "a number": sends(7),
    "no choices": sends({**completion("{}"), "choices": []}),
    "choices that are none": sends({**completion("{}"), "choices": None}),
    "a choice without a message": sends(choice(message=None)),
    "no content": sends(choice(message={"role": "assistant", "content": None})),
    "content that is a list": sends(choice(message={"role": "assistant", "content": [{"type": "text", "text": "{}"}]})),
    "content that is a number": sends(choice(message={"role": "assistant", "content": 5})),
    "usage that is empty": sends({**completion("{}"), "usage": {}}),
    "usage that is text": sends({**completion("{}"), "usage": "much"}),
    "usage without numbers": sends({**completion("{}"), "usage": {"prompt_tokens": None, "completion_tokens": None}}),
    "negative usage": sends({**completion("{}"), "usage": {"prompt_tokens": -5, "completion_tokens": -1}}),
    "no JSON": sends(b"<html>sorry</html>"),
    "text": sends(b"sorry", Content_Type="text/plain"),
    "broken letters": sends(b'{"choices": "\xff\xfe"}'),
    "a tool that nobody has": sends(
        choice(message={"role": "assistant", "tool_calls": [{"id": "1", "type": "function", "function": None}]})
    ),
    "a finish that nobody knows": sends(choice(finish_reason="because")),
    "a redirect to nowhere": sends({}, 302),
    "an odd status": sends({}, 418),
    "an error that is no JSON": sends(b"<html>Bad Gateway</html>", 502, Content_Type="text/html"),
    "an error that is a list": sends([1, 2], 400),
    "an error without a body": sends(b"", 500),
    "a delay that is no number": sends({}, 503, Retry_After="soon"),
    "a negative delay": sends({}, 503, Retry_After="-5"),
}


@pytest.mark.parametrize("step", ODD.values(), ids=ODD.keys())
async def test_it_ends_in_a_failure_with_a_name(opened: Any, laughter: Question, step: Step) -> None:
    async with opened(step, reasks=1, tries=1) as bench:
        with pytest.raises(Failure) as raised:
            await bench.engine.classify(laughter)
        assert bench.budget.today.tokens >= 0
        assert bench.budget.today.usd >= 0
    assert isinstance(raised.value, NAMED)
    assert int(raised.value.details["attempts"]) >= 1

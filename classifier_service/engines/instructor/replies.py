"""What came back of one request: the answer, and what the provider says of it, in the words of each family of them."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from pydantic import ValidationError

from classifier_service.engines.instructor.answer_form import Draft


@dataclass(frozen=True)
class Tokens:
    """What the provider counted."""

    prompt: int = 0
    cached: int = 0
    completion: int = 0


@dataclass(frozen=True)
class Completion:
    """What came back. draft: None where it could not be read, and then fault says why.

    text: the answer as it was written, for asking again. tokens: None where the provider counted none.
    refused: the model or its provider's filter would not answer. cut: it ended at the bound of its length.
    logprobs: (token, natural logarithm of its probability), where there are any.
    """

    draft: Draft | None
    text: str
    tokens: Tokens | None
    fault: str = ""
    refused: bool = False
    cut: bool = False
    logprobs: Sequence[tuple[str, float]] = field(default=(), repr=False)


def read_reply(response: Any, draft: Draft | None, fault: str = "") -> Completion:
    """A provider's reply with the draft that was read from it, or why none could be."""
    choice = next(iter(getattr(response, "choices", None) or ()), None)
    message = getattr(choice, "message", None)
    reason = str(getattr(choice, "finish_reason", None) or getattr(response, "stop_reason", None) or "")
    return Completion(
        draft=draft,
        text=text_of(response) or (draft.model_dump_json() if draft else ""),
        tokens=_tokens(response),
        fault=fault,
        refused=bool(getattr(message, "refusal", None)) or reason in ("content_filter", "refusal"),
        cut=reason in ("length", "max_tokens"),
        logprobs=_logprobs(choice),
    )


def text_of(response: Any) -> str:
    """The answer of a reply in OpenAI's form, whether it came as text or as a call of a tool."""
    message = getattr(next(iter(getattr(response, "choices", None) or ()), None), "message", None)
    for call in getattr(message, "tool_calls", None) or ():
        arguments = getattr(getattr(call, "function", None), "arguments", "")
        return arguments if isinstance(arguments, str) else json.dumps(arguments)
    content = getattr(message, "content", None)
    return content if isinstance(content, str) else ""


def _tokens(response: Any) -> Tokens | None:
    """Each family of providers has names of its own: OpenAI's, Anthropic's, Google's."""
    usage = getattr(response, "usage", None) or getattr(response, "usage_metadata", None)
    if usage is None:
        return None
    prompt = _first(usage, "prompt_tokens", "prompt_token_count")
    if prompt is not None:
        details = getattr(usage, "prompt_tokens_details", None)
        cached = _first(details, "cached_tokens") or _first(usage, "cached_content_token_count") or 0
        completion = _first(usage, "completion_tokens", "candidates_token_count") or 0
        return Tokens(prompt, min(cached, prompt), completion)
    fresh = _first(usage, "input_tokens")
    if fresh is None:
        return None
    cached = _first(usage, "cache_read_input_tokens") or 0  # Anthropic counts them apart from the others
    return Tokens(fresh + cached, cached, _first(usage, "output_tokens") or 0)


def _first(holder: Any, *names: str) -> int | None:
    found = (value for name in names if isinstance(value := getattr(holder, name, None), int))
    return next((max(0, value) for value in found), None)


def _logprobs(choice: Any) -> tuple[tuple[str, float], ...]:
    content = getattr(getattr(choice, "logprobs", None), "content", None) or ()
    return tuple((one.token, one.logprob) for one in content)


def fault_of(error: BaseException) -> str:
    """Why an answer could not be read, in words for the model. Never for a caller: it may quote the answer."""
    current: BaseException | None = error
    while current is not None:
        if isinstance(current, ValidationError):
            found = [f"{'.'.join(map(str, one['loc'])) or 'the answer'}: {one['msg']}" for one in current.errors()[:5]]
            return "; ".join(found)
        current = current.__cause__
    return "it could not be read as the JSON object that was asked for"

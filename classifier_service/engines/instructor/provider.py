"""One request to a language model through Instructor."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

import instructor
import openai
from instructor.core.hooks import Hooks
from pydantic import SecretStr

from classifier_service.engines.instructor.answer_form import NAME, Draft
from classifier_service.engines.instructor.capabilities import Capabilities, Capability
from classifier_service.engines.instructor.endpoint import AZURE, Endpoint
from classifier_service.engines.instructor.prompting import Message
from classifier_service.engines.instructor.replies import Completion, fault_of, read_reply, text_of

_LIBRARIES = ("instructor", "openai", "httpx2", "httpx", "httpcore2", "httpcore")
_NO_KEY = "none"
"""Servers of one's own want no key, but the client insists on one."""


@dataclass(frozen=True)
class Request:
    """What is asked. seed: used where the provider knows seeds. logprobs: asked for where there are any.

    headers: sent beside those of the client, where it speaks OpenAI's protocol.
    """

    messages: Sequence[Message]
    form: type[Draft]
    max_tokens: int
    temperature: float
    seed: int | None = None
    logprobs: bool = False
    headers: Mapping[str, str] = field(default_factory=dict)


class Provider(Protocol):
    """Asks a language model, once for each call: whoever calls decides about trying again."""

    async def complete(self, request: Request) -> Completion:
        """Raises what the provider's client raises where no answer came back; `troubles` can read it."""
        ...

    async def close(self) -> None: ...


class InstructorProvider:
    """Any provider that Instructor reaches. Raises ValueError where its library or its key is missing."""

    def __init__(self, endpoint: Endpoint, capabilities: Capabilities, *, attempt_seconds: float) -> None:
        _silence_libraries()
        self._endpoint = endpoint
        self._capabilities = capabilities
        self._openai = _openai_client(endpoint, attempt_seconds) if endpoint.speaks_openai else None
        self._client: instructor.AsyncInstructor = (
            instructor.from_openai(self._openai, mode=instructor.Mode.JSON_SCHEMA)
            if self._openai is not None
            else _other_client(endpoint)
        )

    async def complete(self, request: Request) -> Completion:
        """See `Provider`."""
        responses: list[Any] = []
        hooks = Hooks()
        hooks.on("completion:response", responses.append)
        try:
            draft = await self._ask(request, hooks)
        except Exception as error:
            if not responses:
                raise
            return read_reply(responses[-1], None, fault_of(error))
        return read_reply(responses[-1], draft)

    async def close(self) -> None:
        """Closes the connections; calling it again does nothing."""
        if self._openai is not None:
            await self._openai.close()

    async def _ask(self, request: Request, hooks: Hooks) -> Draft:
        if self._openai is not None and Capability.STRICT_SCHEMA not in self._capabilities:
            # Instructor would send the schema that was refused: it sends the prompt alone, and the form reads the text.
            response = await self._client.create(response_model=None, **self._arguments(request))
            hooks.emit_completion_response(response)
            return request.form.model_validate_json(text_of(response))
        # No `context`: with one, Instructor renders every message as a Jinja template, summaries too.
        draft: Draft = await self._client.create(
            response_model=request.form, max_retries=0, hooks=hooks, **self._arguments(request)
        )
        return draft

    def _arguments(self, request: Request) -> dict[str, Any]:
        used = self._capabilities
        bound = "max_tokens" if Capability.MAX_TOKENS in used else "max_completion_tokens"
        arguments: dict[str, Any] = {
            "messages": [{"role": message.role, "content": message.content} for message in request.messages],
            bound: request.max_tokens,
        }
        if self._openai is not None:
            arguments["model"] = self._endpoint.model
            if request.headers:
                arguments["extra_headers"] = dict(request.headers)
        if Capability.TEMPERATURE in used:
            arguments["temperature"] = request.temperature
        if Capability.SEED in used and request.seed is not None:
            arguments["seed"] = request.seed
        if Capability.LOGPROBS in used and request.logprobs:
            arguments["logprobs"] = True
        if self._openai is not None and Capability.STRICT_SCHEMA in used:
            # Instructor 1.17 writes a `response_format` without `strict`; what is in `extra_body` takes its place.
            schema = {"name": NAME, "strict": True, "schema": request.form.wire_schema}
            arguments["extra_body"] = {"response_format": {"type": "json_schema", "json_schema": schema}}
        return arguments


def _openai_client(endpoint: Endpoint, attempt_seconds: float) -> openai.AsyncOpenAI:
    """Everything is given: what is not, the client takes from OPENAI_* of the environment. It never tries twice."""
    key = _shown(endpoint.key)
    if endpoint.provider == AZURE:
        return openai.AsyncAzureOpenAI(
            azure_endpoint=endpoint.base_url or "",
            api_version=endpoint.api_version,
            api_key=_needed(key, endpoint),
            max_retries=0,
            timeout=attempt_seconds,
        )
    if endpoint.provider == "openai" and endpoint.base_url == "https://api.openai.com/v1":
        key = _needed(key, endpoint)
    return openai.AsyncOpenAI(
        base_url=endpoint.base_url, api_key=key or _NO_KEY, max_retries=0, timeout=attempt_seconds
    )


def _other_client(endpoint: Endpoint) -> instructor.AsyncInstructor:
    key = {"api_key": _shown(endpoint.key)} if endpoint.key else {}
    try:
        open_any: Any = instructor.from_provider  # its overloads list models one by one
        client: instructor.AsyncInstructor = open_any(endpoint.name, async_client=True, **key)
    except Exception as error:  # Instructor and each provider's library have errors of their own for what is missing
        raise ValueError(f"the model {endpoint.name} cannot be used: {type(error).__name__}: {error}") from error
    inner: Any = getattr(client, "client", None)
    if hasattr(inner, "max_retries"):
        inner.max_retries = 0  # whoever calls decides about trying again, and counts the tries
    return client


def _needed(key: str, endpoint: Endpoint) -> str:
    if not key:
        raise ValueError(f"the model {endpoint.name} needs a key; set CLASSIFIER_API_KEY")
    return key


def _shown(key: SecretStr | None) -> str:
    return key.get_secret_value() if key else ""


def _silence_libraries() -> None:
    """They log what providers say at error level and whole requests at debug, and both may hold keys and prompts."""
    for name in _LIBRARIES:
        logging.getLogger(name).setLevel(logging.CRITICAL + 1)

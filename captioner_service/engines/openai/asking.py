"""One request to one endpoint: a clip's text as it streams in, or the list of what is served."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import openai

from captioner_service.clip import Caption, Clip, FinishReason
from captioner_service.engines.openai.endpoints import Endpoint
from captioner_service.worker.text_stream import TextStream
from vidtomusictags.rpc import failures

CONNECT_SECONDS = 5.0
_HOSTED = "https://api.openai.com"


@dataclass(frozen=True)
class Answer:
    """A caption and when its first piece came, in monotonic seconds."""

    caption: Caption
    first_at: float


async def ask(
    endpoint: Endpoint,
    model: str,
    clip: Clip,
    message: dict[str, Any],
    tell: Callable[[str], None],
    headers: Mapping[str, str] | None = None,
) -> Answer:
    """Streams a clip's text; `tell` gets the pieces. Cancelling it hangs up, at which a model server stops the work.

    headers: to send beside those of the client. Raises openai.APIError, ContentRefused or CaptioningFailed.
    The deadline is the caller's to keep.
    """
    text: TextStream[str] = TextStream("".join, clip.options.stop)
    reason, usage, first_at = "", None, 0.0
    stream = await endpoint.client.chat.completions.create(
        **_request(endpoint, model, clip, message),
        extra_headers=headers,
        timeout=openai.Timeout(None, connect=CONNECT_SECONDS),
    )
    async with stream:
        async for chunk in stream:
            usage = chunk.usage or usage
            for choice in chunk.choices[:1]:
                reason = choice.finish_reason or reason
                if choice.delta.content:
                    first_at = first_at or time.monotonic()
                    if piece := text.push(choice.delta.content):
                        tell(piece)
    if reason == "content_filter":
        raise failures.ContentRefused("The model's provider refuses to describe this content.")
    if not reason:
        raise openai.APIConnectionError(message="the stream broke off", request=stream.response.request)
    if piece := text.end():
        tell(piece)
    if not text.text:
        raise failures.CaptioningFailed("The model wrote nothing; try again once, or ask otherwise.")
    caption = Caption(
        text.text,
        FinishReason.LENGTH if reason == "length" and not text.stopped else FinishReason.STOP,
        usage.prompt_tokens if usage else 0,
        usage.completion_tokens if usage else 0,
    )
    return Answer(caption, first_at or time.monotonic())


async def list_models(endpoint: Endpoint, *, otherwise: str) -> list[str]:
    """Names that an endpoint lists; none where it does not answer; `otherwise` where it answers but has no list.

    Raises ValueError where it refuses the key.
    """
    try:
        models = await endpoint.client.models.list(timeout=CONNECT_SECONDS)
    except (openai.AuthenticationError, openai.PermissionDeniedError):
        raise ValueError("an endpoint refuses CAPTIONER_OPENAI_API_KEY") from None
    except openai.NotFoundError:
        return [otherwise] if otherwise else []
    except openai.APIError:
        return []
    endpoint.rest(0.0)
    return [model.id for model in models.data]


def _request(endpoint: Endpoint, model: str, clip: Clip, message: dict[str, Any]) -> dict[str, Any]:
    options = clip.options
    # The old name is what every model server knows; OpenAI's own newer models take the new one alone.
    limit = "max_completion_tokens" if endpoint.url.startswith(_HOSTED) else "max_tokens"
    request: dict[str, Any] = {
        "model": model,
        "messages": [message],
        "temperature": options.temperature,
        "top_p": options.top_p,
        "seed": options.seed % 2**63,  # a signed number on the other side
        "stream": True,
        "stream_options": {"include_usage": True},
        limit: options.max_new_tokens,
    }
    if options.stop:
        request["stop"] = list(options.stop)
    return request

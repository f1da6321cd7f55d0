"""What an endpoint's refusal means: the failure for the caller, and whether another attempt may do better."""

from __future__ import annotations

import contextlib
from dataclasses import dataclass

import openai

from vidtomusictags.rpc import failures
from vidtomusictags.rpc.failures import Failure

DEFAULT_WAIT_SECONDS = 1.0
_TOO_LONG = ("context_length", "context length", "maximum context", "too many tokens", "longer than the maximum")


@dataclass(frozen=True)
class Trouble:
    """One failed attempt. wait_seconds: how long to leave that endpoint alone; None: no attempt anywhere would help."""

    failure: Failure
    wait_seconds: float | None


def read(error: openai.APIError) -> Trouble:  # noqa: PLR0911  # a table
    """What went wrong. The endpoint's own words stay here: they may quote a prompt or a key."""
    if isinstance(error, openai.APIConnectionError):  # a timeout is one, too
        return _passing(failures.UpstreamUnavailable, "The model's endpoint cannot be reached; try again.", 1.0)
    status = getattr(error, "status_code", None) or 0
    if status == 429 and error.code == "insufficient_quota":
        return Trouble(
            failures.UpstreamQuota("The account at the model's provider is used up; the operator must see to it."), None
        )
    if status == 429:
        return _passing(
            failures.UpstreamRateLimited,
            "The model's provider limits requests; try again after the delay.",
            _asked_wait(error),
        )
    if status in (401, 403):
        return Trouble(
            failures.UpstreamAuth("The model's endpoint refuses this server; the operator must see to its key."), None
        )
    if status == 400 and any(sign in f"{error.code} {error.message}".lower() for sign in _TOO_LONG):
        return Trouble(
            failures.ContextLengthExceeded(
                "Frames and prompt are more than the model reads; send fewer frames.", field="frames"
            ),
            None,
        )
    if status in (408, 409) or status >= 500 or not status:
        return _passing(failures.UpstreamUnavailable, "The model's endpoint failed; try again.", _asked_wait(error))
    return Trouble(
        failures.UpstreamRejected("The model's endpoint does not take this request; the operator must see to it."), None
    )


def _passing(kind: type[Failure], message: str, wait_seconds: float) -> Trouble:
    return Trouble(kind(message, retry_after_seconds=wait_seconds), wait_seconds)


def _asked_wait(error: openai.APIError) -> float:
    response = getattr(error, "response", None)
    with contextlib.suppress(AttributeError, KeyError, ValueError):
        return max(0.0, float(response.headers["retry-after"])) if response is not None else DEFAULT_WAIT_SECONDS
    return DEFAULT_WAIT_SECONDS

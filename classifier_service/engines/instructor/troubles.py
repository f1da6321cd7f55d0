"""What can go wrong at a provider, read from the exceptions of its client, and the failure that each becomes."""

from __future__ import annotations

import email.utils
import enum
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from vidtomusictags.rpc import failures
from vidtomusictags.rpc.failures import Failure

SUGGESTED_WAIT_SECONDS = 2.0
"""Where the provider names no delay."""
_LONGEST_WAIT_SECONDS = 3600.0


class Kind(enum.Enum):
    """One line of the table of failures."""

    RATE_LIMIT = "rate limit"
    QUOTA = "quota"
    AUTH = "auth"
    CONTEXT = "context length"
    CONTENT = "content"
    REJECTED = "rejected"
    UNAVAILABLE = "unavailable"
    TIMEOUT = "timeout"


PASSING = frozenset({Kind.RATE_LIMIT, Kind.UNAVAILABLE, Kind.TIMEOUT})
"""What another try a little later can help."""


@dataclass(frozen=True)
class Trouble:
    """One failed request. text: what the provider said, in lower case, for looking into alone; it is never shown.

    sent: whether it left this process at all.
    """

    kind: Kind
    status: int | None = None
    wait_seconds: float | None = None
    text: str = ""
    sent: bool = True


def read_trouble(error: BaseException) -> Trouble | None:
    """What the exception of a provider's client means; None for one that no provider caused."""
    for one in _chain(error):
        if trouble := _read(one):
            return trouble
    return None


_FAILURES: Mapping[Kind, tuple[type[Failure], str]] = {
    Kind.RATE_LIMIT: (
        failures.UpstreamRateLimited,
        "The language model's provider limits the rate of requests; try again after the delay.",
    ),
    Kind.QUOTA: (
        failures.UpstreamQuota,
        "The quota at the language model's provider is used up; the operator must raise it.",
    ),
    Kind.AUTH: (
        failures.UpstreamAuth,
        "The language model's provider refused this server's key; the operator must set a valid one.",
    ),
    Kind.CONTEXT: (
        failures.ContextLengthExceeded,
        "Summary and taxonomy together are longer than the language model reads; send a shorter summary, or include"
        " fewer tags.",
    ),
    Kind.CONTENT: (
        failures.ContentRefused,
        "The language model refused to answer about this summary; another wording or engine may do.",
    ),
    Kind.REJECTED: (
        failures.UpstreamRejected,
        "The language model's provider did not accept the request; the operator must check model and settings.",
    ),
    Kind.UNAVAILABLE: (
        failures.UpstreamUnavailable,
        "The language model cannot be reached; try again after the delay.",
    ),
    Kind.TIMEOUT: (
        failures.UpstreamUnavailable,
        "The language model did not answer in time; try again after the delay.",
    ),
}


def failure_for(trouble: Trouble, details: Mapping[str, str]) -> Failure:
    """The failure that the caller is shown: nothing of the provider's own words, which may hold keys and prompts."""
    failure, message = _FAILURES[trouble.kind]
    wait = SUGGESTED_WAIT_SECONDS if trouble.wait_seconds is None else trouble.wait_seconds
    return failure(message, retry_after_seconds=wait if trouble.kind in PASSING else None, details=details)


def _chain(error: BaseException) -> Iterator[BaseException]:
    seen: set[int] = set()
    current: BaseException | None = error
    while current is not None and id(current) not in seen:
        seen.add(id(current))
        yield current
        current = current.__cause__ or current.__context__


def _read(error: BaseException) -> Trouble | None:
    """Reads by attributes and names: each provider has classes of its own, alike in shape."""
    status = _status(error)
    text = _text(error)
    if status is not None:
        return Trouble(_kind(status, text), status, _wait(error), text)
    if isinstance(error, TypeError) and "unexpected keyword argument" in str(error):
        # A provider's own client knows no such parameter: Anthropic's no `temperature` since its version 2.
        return Trouble(Kind.REJECTED, 400, text=str(error).casefold(), sent=False)
    name = type(error).__name__
    if isinstance(error, TimeoutError) or "Timeout" in name:
        return Trouble(Kind.TIMEOUT)
    if isinstance(error, ConnectionError) or "Connect" in name or name in _BROKEN:
        return Trouble(Kind.UNAVAILABLE)
    return None


_BROKEN = (
    "ReadError",
    "WriteError",
    "RemoteProtocolError",
    "APIResponseValidationError",
    "JSONDecodeError",
    "UnicodeDecodeError",
)
"""The connection broke, or what came over it is no answer of such a service: a proxy's page, for one."""


def _status(error: BaseException) -> int | None:
    for name in ("status_code", "http_status", "code"):
        value = getattr(error, name, None)
        if isinstance(value, int) and 300 <= value < 600:
            return value
    return None


def _text(error: BaseException) -> str:
    body = getattr(error, "body", None)
    said = [str(getattr(error, name, None) or "") for name in ("code", "type", "param", "message")]
    return " ".join([*said, str(body or "")])[:4000].casefold()


_QUOTA = ("insufficient_quota", "billing_hard_limit", "billing_not_active", "credit balance")
_CONTENT = ("content_filter", "content_policy", "responsibleaipolicy")
_CONTEXT = ("context_length", "context length", "context window", "available context", "prompt is too long")
_REFUSED_INPUT = (400, 413, 422)


def _kind(status: int, text: str) -> Kind:
    if any(word in text for word in _QUOTA):
        return Kind.QUOTA
    if status in _REFUSED_INPUT and any(word in text for word in _CONTENT):
        return Kind.CONTENT
    if status in _REFUSED_INPUT and any(word in text for word in _CONTEXT):
        return Kind.CONTEXT
    return _BY_STATUS.get(status, Kind.UNAVAILABLE if status >= 500 else Kind.REJECTED)


_BY_STATUS = {
    401: Kind.AUTH,
    402: Kind.QUOTA,
    403: Kind.AUTH,
    408: Kind.UNAVAILABLE,
    409: Kind.UNAVAILABLE,
    413: Kind.CONTEXT,
    425: Kind.UNAVAILABLE,
    429: Kind.RATE_LIMIT,
}


def _wait(error: BaseException) -> float | None:
    """Seconds of Retry-After or its twin in milliseconds; a date counts from now (RFC 9110, 10.2.3)."""
    headers: Any = getattr(getattr(error, "response", None), "headers", None)
    if headers is None:
        return None
    value = headers.get("retry-after-ms")
    seconds = _number(value, 1000.0)
    if seconds is None:
        value = headers.get("retry-after")
        seconds = _number(value, 1.0)
    if seconds is None and value and (when := email.utils.parsedate_tz(value)):
        seconds = email.utils.mktime_tz(when) - time.time()
    return None if seconds is None else min(max(0.0, seconds), _LONGEST_WAIT_SECONDS)


def _number(value: str | None, divisor: float) -> float | None:
    try:
        number = float(value or "nan") / divisor
    except ValueError:
        return None
    return number if number == number else None  # noqa: PLR0124  # NaN is not a delay

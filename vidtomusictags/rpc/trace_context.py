"""The W3C trace context of the present call: read from what its caller sent, sent on to those that it calls.

https://www.w3.org/TR/trace-context/. Nothing here needs tracing to be on: a service that makes no spans passes on what
it was given, so that those behind it stay in the trace. Baggage is not read and goes nowhere.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from contextvars import ContextVar

_PARENT, _STATE = "traceparent", "tracestate"
_TRACEPARENT = re.compile(r"(?!ff)[0-9a-f]{2}-(?!0{32})([0-9a-f]{32})-(?!0{16})[0-9a-f]{16}-[0-9a-f]{2}(?:-.*)?")
_TRACESTATE = re.compile(r"[\x20-\x7e]{1,512}")

_sent_on: ContextVar[Mapping[str, str]] = ContextVar("trace_context")


def read_headers(metadata: Iterable[tuple[str, str | bytes]] | None) -> Mapping[str, str]:
    """traceparent, and tracestate where there is one; nothing where the first is missing or against the standard."""
    found = {key: value for key, value in metadata or () if key in (_PARENT, _STATE) and isinstance(value, str)}
    parent = found.get(_PARENT)
    if parent is None or not _TRACEPARENT.fullmatch(parent):
        return {}
    if _STATE in found and not _TRACESTATE.fullmatch(found[_STATE]):
        del found[_STATE]
    return found


def trace_id_of(headers: Mapping[str, str]) -> str:
    """The id of the trace, 32 hexadecimal digits; empty without one."""
    return headers[_PARENT].split("-")[1] if _PARENT in headers else ""


def send_on(headers: Mapping[str, str]) -> None:
    """From now on, those that the present task calls get these headers."""
    _sent_on.set(headers)


def outgoing_headers() -> dict[str, str]:
    """For a request that the present call makes."""
    return dict(_sent_on.get({}))

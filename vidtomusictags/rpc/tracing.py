"""Spans, and the tracer that makes them: a Protocol, so that domain code may make spans and know no library."""

from __future__ import annotations

import enum
from collections.abc import Mapping
from contextlib import AbstractContextManager, nullcontext
from typing import Protocol

from vidtomusictags.rpc.trace_context import send_on, trace_id_of

Attributes = Mapping[str, str | int | float | bool]
"""Named by OpenTelemetry's semantic conventions where they have a name, else `vidtags.*`. Never a frame, a prompt, a
text, a key or the query of a URI."""


class Kind(enum.Enum):
    """What a span is about."""

    INTERNAL = "internal"
    """Work of this process."""
    CLIENT = "client"
    """A request to another one."""


class Span(Protocol):
    """A piece of work, with its beginning and end."""

    @property
    def trace_id(self) -> str:
        """32 hexadecimal digits; empty where the work is part of no trace."""
        ...

    def set(self, attributes: Attributes) -> None:
        """Adds attributes."""
        ...

    def fail(self, reason: str) -> None:
        """It went wrong; reason: of the failure, such as `QUEUE_FULL`."""
        ...


class Tracer(Protocol):
    """Makes spans. While one is open, what the same task calls is told of it; see `trace_context`."""

    def serving(self, method: str, headers: Mapping[str, str]) -> AbstractContextManager[Span]:
        """A call of ours. method: full name. headers: trace context of its caller."""
        ...

    def span(
        self, name: str, attributes: Attributes | None = None, *, kind: Kind = Kind.INTERNAL
    ) -> AbstractContextManager[Span]:
        """A part of the present call. A Failure that leaves the block fails the span. Not for generators."""
        ...


class _Unseen:
    """A span that nobody sees. It still tells the trace that its caller is in."""

    def __init__(self, trace_id: str) -> None:
        self.trace_id = trace_id

    def set(self, attributes: Attributes) -> None:
        """Does nothing."""

    def fail(self, reason: str) -> None:
        """Does nothing."""


class NoTracer:
    """A `Tracer` that makes none, and passes on what it was given; nothing where callers are not to be trusted."""

    _nothing: AbstractContextManager[Span] = nullcontext(_Unseen(""))

    def __init__(self, *, trust_callers: bool = True) -> None:
        self._trust_callers = trust_callers

    def serving(self, method: str, headers: Mapping[str, str]) -> AbstractContextManager[Span]:
        """See `Tracer`."""
        if not headers or not self._trust_callers:
            return self._nothing
        send_on(headers)
        return nullcontext(_Unseen(trace_id_of(headers)))

    def span(
        self, name: str, attributes: Attributes | None = None, *, kind: Kind = Kind.INTERNAL
    ) -> AbstractContextManager[Span]:
        """See `Tracer`."""
        return self._nothing


NO_TRACER: Tracer = NoTracer()

"""What a call of ours hands on, in metadata, to the calls that it makes: the trace that it is in, and its id."""

from __future__ import annotations

import structlog

from vidtomusictags.rpc.logs import ID_HEADER
from vidtomusictags.rpc.trace_context import outgoing_headers


def outgoing_metadata() -> tuple[tuple[str, str], ...]:
    """For a call by gRPC to a service of ours. The id is there even for one that is refused before it is read."""
    request_id = structlog.contextvars.get_contextvars().get("request_id")
    return (*outgoing_headers().items(), *(((ID_HEADER, request_id),) if request_id else ()))

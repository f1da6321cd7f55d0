"""Log lines: one event and its facts to a line, as JSON unless a terminal is watching."""

from __future__ import annotations

import logging
import re
import sys
import uuid
from collections.abc import Iterable
from typing import Any, TextIO

import structlog
from structlog.typing import EventDict, Processor

from vidtomusictags.rpc.failures import InvalidRequest

_REQUEST_ID = re.compile(r"[\x21-\x7e]{1,128}")
ID_HEADER = "x-request-id"
"""As proxies such as Envoy name and set it."""


def write_logs(*, service: str, level: str = "INFO", stream: TextIO | None = None) -> None:
    """Sends the logs of this process to `stream` (stdout by default). Called once, by the command."""
    out = stream or sys.stdout
    renderer: Any = structlog.dev.ConsoleRenderer() if out.isatty() else structlog.processors.JSONRenderer()
    structlog.configure(
        processors=[
            structlog.contextvars.merge_contextvars,
            _naming(service),
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            structlog.processors.format_exc_info,
            renderer,
        ],
        wrapper_class=structlog.make_filtering_bound_logger(logging.getLevelNamesMapping()[level]),
        logger_factory=structlog.PrintLoggerFactory(out),
        cache_logger_on_first_use=True,
    )


def _naming(service: str) -> Processor:
    """Names the service in every line: a context variable would be missing from those of other threads."""

    def name(logger: object, method: str, line: EventDict) -> EventDict:
        line["service"] = service
        return line

    return name


def begin_call(metadata: Iterable[tuple[str, str | bytes]], *, trace_id: str) -> None:
    """Binds what joins the log lines of a call, before its request is read: trace, and id where a header has it.

    Cleared at entry and not at exit: the exit of a handler's generator may run in another context.
    """
    structlog.contextvars.clear_contextvars()
    given = next((value for key, value in metadata if key == ID_HEADER), "")
    known = {
        "trace_id": trace_id,
        "request_id": given if isinstance(given, str) and _REQUEST_ID.fullmatch(given) else "",
    }
    structlog.contextvars.bind_contextvars(**{name: value for name, value in known.items() if value})


def take_request_id(given: str) -> str:
    """The caller's request id, in its request or a header, or a new one; bound to every later log line of the call.

    Raises InvalidRequest where it could not stand in a log line.
    """
    if given and not _REQUEST_ID.fullmatch(given):
        raise InvalidRequest(
            "request_id must be 1 to 128 printable ASCII characters without spaces.", field="request_id"
        )
    request_id = given or structlog.contextvars.get_contextvars().get("request_id") or str(uuid.uuid4())
    structlog.contextvars.bind_contextvars(request_id=request_id)
    return request_id

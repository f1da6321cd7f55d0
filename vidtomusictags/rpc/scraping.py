"""The port that Prometheus reads: a few connections at once, so that whoever reaches it takes little from the calls.

The server that comes with Prometheus' own library starts a thread for every connection and waits for each without end.
"""

from __future__ import annotations

import contextlib
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from socketserver import ThreadingMixIn
from typing import Any
from wsgiref.simple_server import WSGIRequestHandler, WSGIServer, make_server

_MOST_CONNECTIONS = 8
"""Beyond that the oldest makes room: one that is answered takes milliseconds."""
_SILENCE_SECONDS = 10.0


class _Handler(WSGIRequestHandler):
    timeout = _SILENCE_SECONDS

    def log_message(self, format: str, *arguments: Any) -> None:
        """Says nothing, past our log."""


class _Server(ThreadingMixIn, WSGIServer):
    daemon_threads = True
    request_queue_size = 64

    def __init__(self, *arguments: Any, **named: Any) -> None:
        self._open: dict[socket.socket, None] = {}
        self._lock = threading.Lock()
        super().__init__(*arguments, **named)

    def process_request(self, request: Any, client_address: Any) -> None:
        with self._lock:
            self._open[request] = None
            if len(self._open) > _MOST_CONNECTIONS:
                oldest = next(iter(self._open))
                del self._open[oldest]
                with contextlib.suppress(OSError):
                    oldest.shutdown(socket.SHUT_RDWR)  # its thread closes it
        super().process_request(request, client_address)

    def shutdown_request(self, request: Any) -> None:
        with self._lock:
            self._open.pop(request, None)
        super().shutdown_request(request)

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Says nothing: a connection that ends early is no fault of ours."""


@contextmanager
def scraped(host: str, port: int, app: Any) -> Iterator[None]:
    """Answers with the WSGI application `app` for the length of the block.

    Raises OSError for an address that cannot be had.
    """
    family, *_, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)[0]
    kind = type("_Family", (_Server,), {"address_family": family})
    server: WSGIServer
    with make_server(str(address[0]), port, app, kind, _Handler) as server:
        thread = threading.Thread(target=server.serve_forever, name="scraping", daemon=True)
        thread.start()
        try:
            yield
        finally:
            server.shutdown()
            thread.join()

"""The port of metrics under those who keep it busy."""

from __future__ import annotations

import socket
import threading
import urllib.request
from collections.abc import Iterator
from typing import Any

import pytest
from metrics_page import free_address

from vidtomusictags.rpc.scraping import scraped


def answer(environ: Any, start_response: Any) -> list[bytes]:
    start_response("200 OK", [])
    return [b"numbers"]


@pytest.fixture
def address() -> Iterator[tuple[str, int]]:
    host, _, port = free_address().rpartition(":")
    with scraped(host, int(port), answer):
        yield host, int(port)


def page(address: tuple[str, int]) -> bytes:
    with urllib.request.urlopen("http://{}:{}/metrics".format(*address), timeout=20) as reply:
        return bytes(reply.read())


def test_those_who_never_finish_their_question_make_room_and_take_no_threads(address: tuple[str, int]) -> None:
    assert page(address) == b"numbers"
    threads = threading.active_count()
    slow = [socket.create_connection(address, timeout=20) for _ in range(40)]
    for connection in slow:
        connection.sendall(b"GET /metrics HTTP/1.1\r\nX:")
    assert page(address) == b"numbers"
    assert threading.active_count() - threads <= 10
    for connection in slow[:30]:
        while connection.recv(1024):
            pass  # it is told something or nothing, and closed
    for connection in slow:
        connection.close()
    assert page(address) == b"numbers"

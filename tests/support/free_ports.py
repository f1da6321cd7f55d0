"""Ports that a test must know before a service listens there."""

from __future__ import annotations

import itertools
import os
import random
import socket
from collections.abc import Sequence

FIRST, LAST = 20_000, 32_000
"""Below those that Linux gives to whoever asks for any, so that no other test gets one of them meanwhile."""
APART = 8
"""Processes that share the tests and take turns in counting."""

_mine = FIRST + int(os.environ.get("PYTEST_XDIST_WORKER", "gw0").removeprefix("gw")) % APART
_steps = itertools.count(random.randrange(LAST))  # other runs on this machine begin elsewhere


def free_port(addresses: Sequence[str] = ("127.0.0.1",)) -> int:
    """A port that nobody has on any of these addresses, as far as one can know."""
    while True:
        port = _mine + next(_steps) * APART % (LAST - FIRST)
        if all(_free(address, port) for address in addresses):
            return port


def _free(address: str, port: int) -> bool:
    with socket.socket() as probe:
        try:
            probe.bind((address, port))
        except OSError:
            return False
        return True

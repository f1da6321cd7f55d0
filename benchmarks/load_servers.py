"""One service of the load benchmark in a process of its own: `load_servers.py NAME` prints its port and serves.

Settings come from the environment, as for `vidtags serve`; log lines are made and thrown away. The classifier knows two
more engines here, `instant` and `waiting`, which cost next to nothing, so that what surrounds them can be measured.
"""

from __future__ import annotations

import asyncio
import os
import sys
from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from importlib import import_module
from pathlib import Path

from load_instant_classifier import InstantEngine, WaitingEngine

from classifier_service import engines
from vidtomusictags.command.service_settings import PACKAGES, ServiceName, read_settings
from vidtomusictags.rpc.logs import write_logs
from vidtomusictags.rpc.server import serve_until_signal


@asynccontextmanager
async def announced(service: AbstractAsyncContextManager[int]) -> AsyncIterator[int]:
    """The service, its port printed; ends with its stdin, so that it outlives nobody."""
    async with service as port:
        print(port, flush=True)
        asyncio.get_running_loop().add_reader(sys.stdin.fileno(), _end_with_stdin)
        yield port


def _end_with_stdin() -> None:
    if not os.read(sys.stdin.fileno(), 64):
        os._exit(0)


def main() -> None:
    """Serves until a signal."""
    name = ServiceName(sys.argv[1])
    engines.ENGINES = {
        **engines.ENGINES,
        "instant": lambda *_: InstantEngine(),
        "waiting": lambda *_: WaitingEngine(),
    }
    with Path(os.devnull).open("w") as nowhere:
        write_logs(service=name.value, stream=nowhere)
        running = import_module(f"{PACKAGES[name]}.app").running
        asyncio.run(serve_until_signal(announced(running(read_settings(name)))))


if __name__ == "__main__":
    main()

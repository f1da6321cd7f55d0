"""`vidtags serve`: one service in this process, until it is told to stop."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from importlib import import_module
from typing import Annotated, Any

import typer
from typer.core import TyperCommand

from vidtomusictags.command.endings import Mistake
from vidtomusictags.command.extras import needing
from vidtomusictags.command.help import add
from vidtomusictags.command.rendering import stdout
from vidtomusictags.command.service_settings import PACKAGES, ServiceName, read_settings, settings_table

ReadyFd = Annotated[int | None, typer.Option(hidden=True)]


class ServeCommand(TyperCommand):
    """A command whose help ends with the settings of the service that it is named after."""

    def format_help(self, ctx: Any, formatter: Any) -> None:
        super().format_help(ctx, formatter)
        stdout().print(settings_table(ServiceName(str(self.name))))


app = typer.Typer(help="Run one service until SIGTERM or Ctrl-C, then drain it.", rich_markup_mode="rich")


def captioner(ready_fd: ReadyFd = None) -> None:
    """Run a captioner: frames in, summaries out. Log lines go to stdout, as JSON unless a terminal is watching.

    Examples:
    vidtags serve captioner
    CAPTIONER_LISTEN=127.0.0.1:6001 vidtags serve captioner
    """
    _serve(ServiceName.CAPTIONER, ready_fd)


def classifier(ready_fd: ReadyFd = None) -> None:
    """Run a classifier: summaries in, tags out. Log lines go to stdout, as JSON unless a terminal is watching.

    Examples:
    vidtags serve classifier
    CLASSIFIER_TAXONOMY_DIRECTORIES='["/taxonomies"]' vidtags serve classifier
    """
    _serve(ServiceName.CLASSIFIER, ready_fd)


def gateway(ready_fd: ReadyFd = None) -> None:
    """Run a gateway: videos in, tags out. Log lines go to stdout, as JSON unless a terminal is watching.

    Examples:
    vidtags serve gateway
    GATEWAY_CAPTIONER=127.0.0.1:6001 GATEWAY_ROOTS='["/clips"]' vidtags serve gateway
    """
    _serve(ServiceName.GATEWAY, ready_fd)


for _command in (captioner, classifier, gateway):
    add(app, _command, cls=ServeCommand)


def _serve(name: ServiceName, ready_fd: int | None) -> None:
    settings = read_settings(name)
    with needing(name.value):
        from vidtomusictags.rpc.logs import write_logs  # noqa: PLC0415
        from vidtomusictags.rpc.server import serve_until_signal  # noqa: PLC0415

        running = import_module(f"{PACKAGES[name]}.app").running
    write_logs(service=name.value, level=settings.log_level)
    with needing(name.value if name is ServiceName.GATEWAY else f"embedded-{name.value}"):
        try:
            asyncio.run(serve_until_signal(_announced(running(settings), ready_fd)))
        except (ValueError, OSError) as error:  # what `running` raises for settings that cannot be followed
            raise Mistake(f"the {name.value} does not start: {error}") from error


@asynccontextmanager
async def _announced(running: AbstractAsyncContextManager[int], ready_fd: int | None) -> AsyncIterator[int]:
    """The running service. With `ready_fd` it tells its parent the port, and stops when its stdin ends."""
    async with running as port:
        if ready_fd is not None:
            asyncio.get_running_loop().add_reader(sys.stdin.fileno(), _stop_at_end_of_stdin)
            os.write(ready_fd, f"{port}\n".encode())  # stays open: its end is the end of this process
        yield port


def _stop_at_end_of_stdin() -> None:
    if not os.read(sys.stdin.fileno(), 64):
        asyncio.get_running_loop().remove_reader(sys.stdin.fileno())
        os.kill(os.getpid(), signal.SIGTERM)

"""`vidtags up`: all three services in the foreground."""

from __future__ import annotations

import signal
from dataclasses import asdict
from types import FrameType
from typing import Annotated

import typer

from vidtomusictags.command import options
from vidtomusictags.command.documents import print_line


def up(
    free_ports: Annotated[
        bool, typer.Option("--free-ports", help="Let each pick a free port on loopback instead of its own.")
    ] = False,
    as_json: options.AsJson = False,
) -> None:
    """Start captioner, classifier and gateway as three processes and wait.

    Prints where they answer as soon as all are ready; their logs go to stderr. Ctrl-C or SIGTERM stops them, the
    gateway first. Settings come from the environment: CAPTIONER_*, CLASSIFIER_*, GATEWAY_*. Metrics are shown ten ports
    above those of the services, where `vidtags top` finds them.

    Examples:
    vidtags up
    vidtags up --free-ports --json 2> services.log
    GATEWAY_ROOTS='["/clips"]' vidtags up
    """
    from vidtomusictags.command.fleet import Fleet  # noqa: PLC0415
    from vidtomusictags.rpc.failures import Loading  # noqa: PLC0415

    for number in _SIGNALS:
        signal.signal(number, _stop)
    try:
        with Fleet(free_ports=free_ports) as fleet:
            addresses = asdict(fleet.start())
            if as_json:
                print_line(addresses)
            else:
                for name, address in addresses.items():
                    print(f"{name:<12}{address}", flush=True)
                print("ready; Ctrl-C stops all three", flush=True)
            raise Loading(f"The {fleet.wait_for_an_end()} ended; what it said is above.")
    except _Stopped:
        return


_SIGNALS = (signal.SIGTERM, signal.SIGINT)


class _Stopped(BaseException):
    """A signal asked for the orderly end."""


def _stop(number: int, frame: FrameType | None) -> None:
    for one in _SIGNALS:
        signal.signal(one, signal.SIG_DFL)  # a second signal ends this process at once; the three then end themselves
    raise _Stopped

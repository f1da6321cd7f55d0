"""The three services as three processes of this one: started, waited for, and stopped in reverse.

Each child says that it is ready by writing its port to a pipe, and is gone when that pipe ends; no port is guessed and
nothing is polled. Each child also stops when its stdin ends, so none outlives this process whatever ends it.
"""

from __future__ import annotations

import os
import select
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.util import find_spec
from tempfile import TemporaryFile
from typing import IO, Self

from rich.console import Console

from vidtomusictags.command import options
from vidtomusictags.command.endings import MISTAKE, Mistake
from vidtomusictags.rpc.failures import Loading

CAPTIONER, CLASSIFIER, GATEWAY = "captioner", "classifier", "gateway"
_STDERR = 2
_LISTEN = {CAPTIONER: options.CAPTIONER, CLASSIFIER: options.CLASSIFIER, GATEWAY: options.GATEWAY}
"""Where they listen by default."""
METRICS_OFFSET = 10
"""Ports from that of a service to that of its metrics, unless its settings say otherwise; `vidtags top` looks there."""
_START_SECONDS = 1900.0
"""A first start may download a model; the captioner itself gives up after CAPTIONER_MAX_LOAD_SECONDS, 1800 s."""
_STOP_SECONDS = 40.0
"""A little more than a service takes at most to drain."""


_FOR_OTHERS = (
    *("TLS_CERTIFICATE", "TLS_KEY", "TLS_CLIENT_CA", "TOKENS_FILE", "JWKS_FILE", "HEALTH_LISTEN"),
    *("UPSTREAM_CA", "UPSTREAM_CERTIFICATE", "UPSTREAM_KEY", "UPSTREAM_TOKEN_FILE"),
    *("CALLER_MAX_CALLS", "CALLER_REQUESTS_A_MINUTE", "CALLER_BYTES_A_MINUTE"),
)


def private_settings(prefix: str) -> dict[str, str]:
    """The environment of a service for this process alone: on loopback, with nothing that is for other callers."""
    return {f"{prefix}_LISTEN": "127.0.0.1:0"} | {f"{prefix}_{name}": "" for name in _FOR_OTHERS}


@dataclass(frozen=True)
class Addresses:
    """Where the three answer."""

    captioner: str
    classifier: str
    gateway: str


class Child:
    """One service in a process of its own."""

    def __init__(self, name: str, environment: Mapping[str, str], output: IO[bytes] | None) -> None:
        self.name = name
        self.ready_fd, theirs = os.pipe()
        try:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "vidtomusictags", "serve", name, "--ready-fd", str(theirs)],
                env={**os.environ, **environment},
                stdin=subprocess.PIPE,
                stdout=output or _STDERR,
                stderr=output or _STDERR,
                pass_fds=(theirs,),
                start_new_session=True,  # Ctrl-C is for this process alone, which then stops the others in order
            )
        finally:
            os.close(theirs)

    def wait_until_ready(self, deadline: float) -> int:
        """The port. Raises Loading, or for wrong settings Mistake, where it does not get there."""
        said = b""
        while not said.endswith(b"\n"):
            readable, _, _ = select.select([self.ready_fd], [], [], max(0.0, deadline - time.monotonic()))
            if not readable:
                raise Loading(f"The {self.name} was not ready within {_START_SECONDS:.0f} s; its log may say why.")
            piece = os.read(self.ready_fd, 64)
            if not piece:
                problem = f"the {self.name} did not start; what it said is above"
                raise Mistake(problem) if self._process.wait() == MISTAKE else Loading(problem)
            said += piece
        return int(said)

    def stop(self) -> None:
        """Asks the process to end and waits for it; ends it where it does not."""
        self._process.terminate()
        try:
            self._process.wait(_STOP_SECONDS)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        if self._process.stdin:
            self._process.stdin.close()
        os.close(self.ready_fd)


class Fleet:
    """The three services, for the length of the block.

    free_ports: each picks a free port on loopback; otherwise they listen where their settings say. private: for this
    process alone, so that settings of TLS, of callers and of ports for others do not count.
    output: where what they write goes; None: to this process's stderr.
    """

    def __init__(self, *, free_ports: bool, private: bool = False, output: IO[bytes] | None = None) -> None:
        self._free_ports = free_ports
        self._private = private
        self._output = output
        self._children: list[Child] = []
        self._deadline = time.monotonic() + _START_SECONDS

    def start(self) -> Addresses:
        """Starts all and waits until they are ready. Raises what `Child.wait_until_ready` raises."""
        captioner, classifier = self._launch(CAPTIONER), self._launch(CLASSIFIER)
        captioner_address = f"127.0.0.1:{captioner.wait_until_ready(self._deadline)}"
        classifier_address = f"127.0.0.1:{classifier.wait_until_ready(self._deadline)}"
        gateway = self._launch(GATEWAY, GATEWAY_CAPTIONER=captioner_address, GATEWAY_CLASSIFIER=classifier_address)
        return Addresses(captioner_address, classifier_address, f"127.0.0.1:{gateway.wait_until_ready(self._deadline)}")

    def wait_for_an_end(self) -> str:
        """Blocks until one of the processes ends; returns its name."""
        by_fd = {child.ready_fd: child.name for child in self._children}
        ended, _, _ = select.select(by_fd, [], [])
        return by_fd[ended[0]]

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        while self._children:
            self._children.pop().stop()

    def _launch(self, name: str, **environment: str) -> Child:
        prefix = name.upper()
        # Nobody routes calls to these from elsewhere, so there is nobody to hear of the end beforehand.
        environment.setdefault(
            f"{prefix}_DRAIN_ANNOUNCE_SECONDS", os.environ.get(f"{prefix}_DRAIN_ANNOUNCE_SECONDS", "0")
        )
        if not self._free_ports and find_spec("prometheus_client"):  # so that `vidtags top` finds them
            metrics = f"{prefix}_METRICS_LISTEN"
            environment.setdefault(metrics, os.environ.get(metrics, _metrics_address(prefix, name)))
        if self._free_ports:
            environment[f"{prefix}_LISTEN"] = "127.0.0.1:0"
        if self._private:
            environment |= private_settings(prefix)
        child = Child(name, environment, self._output)
        self._children.append(child)
        return child


def _metrics_address(prefix: str, name: str) -> str:
    """On loopback, so many ports above that of the service; nowhere for one that picks its port."""
    port = os.environ.get(f"{prefix}_LISTEN", _LISTEN[name]).rpartition(":")[2]
    return f"127.0.0.1:{int(port) + METRICS_OFFSET}" if port.isdecimal() and int(port) else ""


@contextmanager
def private_fleet(*, quiet: bool = False) -> Iterator[Addresses]:
    """The three on free ports, silent unless one does not start, for the length of the block."""
    console = Console(stderr=True, highlight=False, quiet=quiet)
    with TemporaryFile() as output, Fleet(free_ports=True, private=True, output=output) as fleet:
        try:
            with console.status("starting captioner, classifier and gateway"):
                addresses = fleet.start()
        except (Loading, Mistake):
            output.seek(0)
            sys.stderr.write(output.read().decode(errors="replace"))
            raise
        yield addresses

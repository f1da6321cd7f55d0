"""`vidtags top`: what all replicas do, in a table that keeps up with them."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict
from typing import Annotated, Any

import typer
from rich.live import Live

from vidtomusictags.command import options
from vidtomusictags.command.credentials import chosen_credentials
from vidtomusictags.command.documents import print_document
from vidtomusictags.command.endings import OK, UNREACHABLE
from vidtomusictags.command.fleet import METRICS_OFFSET
from vidtomusictags.command.rates import rates
from vidtomusictags.command.rendering import stdout
from vidtomusictags.command.replicas import Replica, replicas_of
from vidtomusictags.command.service_settings import ServiceName
from vidtomusictags.command.sighting import READY, Sighting, look
from vidtomusictags.command.top_table import Seen, top_table

_LOOKS = 8
_WINDOW_SECONDS = 10.0
"""How far back rates look."""
_AT_ONCE = 32


def top(
    captioner: options.Captioner = options.CAPTIONER,
    classifier: options.Classifier = options.CLASSIFIER,
    gateway: options.Gateway = options.GATEWAY,
    metrics_port: Annotated[
        int | None,
        typer.Option(
            envvar="VIDTAGS_METRICS_PORT",
            min=1,
            max=65535,
            help="Where replicas show their metrics; without: ten above the port of calls, as `vidtags up` does.",
        ),
    ] = None,
    interval: Annotated[
        float, typer.Option("--interval", "-n", min=0.2, max=600.0, metavar="SECONDS", help="Between two looks.")
    ] = 2.0,
    once: Annotated[bool, typer.Option("--once", help="Look twice, print the table once, and stop.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="The same as one JSON document.")] = False,
) -> None:
    """Show what all replicas are doing: state, slots, queue, calls a second, how slow, how many fail. Ctrl-C ends it.

    An address may be a name with many addresses, or several with commas between them. Numbers come from the replicas'
    metrics (CAPTIONER_METRICS_LISTEN and so on); of one without, health says whether it is ready. With --once or --json
    the exit code is 0 where all are ready, else 3.

    Examples:
    vidtags top
    vidtags top --captioner 10.0.0.7:50051,10.0.0.8:50051 --metrics-port 9464
    vidtags top --captioner dns:///captioner:50051 --metrics-port 9464 --once
    vidtags top --json | jq '.replicas[] | select(.state != "ready")'
    """
    targets = {ServiceName.GATEWAY: gateway, ServiceName.CAPTIONER: captioner, ServiceName.CLASSIFIER: classifier}
    with ThreadPoolExecutor(_AT_ONCE, thread_name_prefix="look") as threads:
        watch = _Watch(targets, metrics_port, interval, threads)
        console = stdout()
        if once or as_json or not console.is_terminal:
            watch.look()
            time.sleep(interval)
            seen = watch.look()
            if as_json:
                print_document({"replicas": [_document(one) for one in seen]})
            else:
                console.print(top_table(seen, console))
            raise typer.Exit(OK if all(one.sighting.state == READY for one in seen) else UNREACHABLE)
        try:
            # On a screen of its own, drawn as a whole: nothing flickers, and what was there comes back.
            with Live(console=console, screen=True, auto_refresh=False, vertical_overflow="crop") as live:
                while True:
                    live.update(top_table(watch.look(), console), refresh=True)
                    time.sleep(interval)
        except KeyboardInterrupt:
            return


class _Watch:
    """Looks at all replicas, again and again, and remembers what it saw."""

    def __init__(
        self,
        targets: dict[ServiceName, str],
        metrics_port: int | None,
        interval: float,
        threads: ThreadPoolExecutor,
    ) -> None:
        self._targets = targets
        self._metrics_port = metrics_port
        self._within_seconds = max(1.0, min(interval, 5.0))
        self._threads = threads
        self._credentials = chosen_credentials()
        self._past: dict[Replica, deque[Sighting]] = {}

    def look(self) -> Sequence[Seen]:
        """At every replica that there is now: a name may have got other addresses."""
        replicas = [one for name, target in self._targets.items() for one in replicas_of(name, target)]
        sightings = list(self._threads.map(self._look_at, replicas))
        self._past = {one: self._past.get(one, deque(maxlen=_LOOKS)) for one in replicas}
        return [Seen(one, rates(self._earlier(one), one)) for one in sightings]

    def _look_at(self, replica: Replica) -> Sighting:
        metrics_address = "" if replica.fault else replica.metrics_address(self._metrics_port, METRICS_OFFSET)
        return look(replica, metrics_address, self._within_seconds, self._credentials)

    def _earlier(self, sighting: Sighting) -> Sighting | None:
        """The oldest look within the window, else the last one."""
        past = self._past[sighting.replica]
        within = [one for one in past if sighting.at - one.at <= _WINDOW_SECONDS]
        earlier = within[0] if within else past[-1] if past else None
        past.append(sighting)
        return earlier


def _document(seen: Seen) -> dict[str, Any]:
    sighting, rates_ = seen.sighting, seen.rates
    return {
        "service": sighting.replica.service.value,
        "address": sighting.replica.address,
        "state": sighting.state,
        "why": sighting.why,
        "version": sighting.version,
        "model": sighting.model,
        "slots": sighting.slots,
        "slots_used": sighting.slots_used,
        "queue": sighting.queue,
        "running": sighting.running,
        "limit": sighting.limit,
        "memory_bytes": sighting.memory_bytes,
        "rates": asdict(rates_),
    }

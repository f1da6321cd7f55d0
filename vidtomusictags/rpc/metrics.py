"""Counts what the log line of a call says, for Prometheus, on a port of its own; nothing at all where that is off."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any, Protocol


class Meter(Protocol):
    """Hears of every call once it has been answered."""

    def answered(self, method: str, code: str, seconds: float, facts: Mapping[str, Any]) -> None:
        """method: full name. code: of the status. facts: what the log line says besides."""
        ...


class _NoMeter:
    def answered(self, method: str, code: str, seconds: float, facts: Mapping[str, Any]) -> None:
        """Nobody asked."""


class PrometheusMeter:
    """Calls by method and code, their seconds, and the sums of `counted` facts by engine.

    counted: names of facts of the log line that add up, such as tokens, with a line of help each.
    """

    def __init__(self, registry: Any, counted: Mapping[str, str]) -> None:
        from prometheus_client import Counter, Histogram  # noqa: PLC0415  # an optional extra

        self._calls = Counter("vidtags_calls", "Calls answered.", ["method", "code"], registry=registry)
        self._seconds = Histogram("vidtags_call_seconds", "Seconds until the answer.", ["method"], registry=registry)
        self._counted = {
            name: Counter(f"vidtags_{name}", help, ["engine"], registry=registry) for name, help in counted.items()
        }

    def answered(self, method: str, code: str, seconds: float, facts: Mapping[str, Any]) -> None:
        """See `Meter`."""
        self._calls.labels(method, code).inc()
        self._seconds.labels(method).observe(seconds)
        for name, counter in self._counted.items():
            if name in facts:
                counter.labels(str(facts.get("engine", ""))).inc(float(facts[name]))


@contextmanager
def metering(listen: str, counted: Mapping[str, str]) -> Iterator[Meter]:
    """A meter that is served on `listen` (address and port) for the length of the block; empty: one that does nothing.

    Raises OSError for an address that cannot be had, ModuleNotFoundError without the extra `metrics`.
    """
    if not listen:
        yield _NoMeter()
        return
    try:
        from prometheus_client import CollectorRegistry, start_http_server  # noqa: PLC0415  # an optional extra
    except ModuleNotFoundError as error:
        raise ModuleNotFoundError("metrics need more: pip install 'vidtomusictags[metrics]'", name=error.name) from None
    registry = CollectorRegistry()
    host, _, port = listen.rpartition(":")
    server, thread = start_http_server(int(port), host.strip("[]"), registry)
    try:
        yield PrometheusMeter(registry, counted)
    finally:
        server.shutdown()
        server.server_close()
        thread.join()

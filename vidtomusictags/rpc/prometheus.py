"""A meter for Prometheus, on a port of its own; nothing at all where that is off."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from vidtomusictags.rpc.metrics import NO_METER, Counter, Gauge, Histogram, Meter, Metric
from vidtomusictags.rpc.scraping import scraped


class PrometheusMeter:
    """A `Meter` over the client library of the Prometheus project. metrics: all that there are, each shown from the
    start, so that a query finds what has not happened yet."""

    def __init__(self, registry: Any, metrics: Sequence[Metric]) -> None:
        import prometheus_client as client  # noqa: PLC0415  # an optional extra

        self._children: dict[tuple[str, ...], Any] = {}
        self._families: dict[str, Any] = {}
        for metric in metrics:
            names: dict[str, Any] = {"labelnames": metric.labels, "registry": registry}
            match metric:
                case Histogram():
                    family: Any = client.Histogram(metric.name, metric.help, buckets=metric.buckets, **names)
                case Gauge():
                    family = client.Gauge(metric.name, metric.help, **names)
                case _:
                    family = client.Counter(metric.name, metric.help, **names)
            self._families[metric.name] = family

    def add(self, metric: Counter | Gauge, *labels: str, by: float = 1.0) -> None:
        """See `Meter`."""
        self._child(metric, labels).inc(by)

    def observe(self, metric: Histogram, value: float, *labels: str) -> None:
        """See `Meter`."""
        self._child(metric, labels).observe(value)

    def watch(self, metric: Gauge, read: Callable[[], float], *labels: str) -> None:
        """See `Meter`."""
        self._child(metric, labels).set_function(read)

    def _child(self, metric: Metric, labels: tuple[str, ...]) -> Any:
        key = (metric.name, *labels)
        if (child := self._children.get(key)) is None:
            family = self._families[metric.name]
            child = self._children[key] = family.labels(*labels) if metric.labels else family
        return child


@contextmanager
def metering(listen: str, metrics: Sequence[Metric]) -> Iterator[Meter]:
    """A meter that is served on `listen` (address and port) for the length of the block; empty: one that does nothing.

    Memory, processor time and open files of this process are shown with it. Raises OSError for an address that cannot
    be had, ModuleNotFoundError without the extra `metrics`.
    """
    if not listen:
        yield NO_METER
        return
    try:
        from prometheus_client import (  # noqa: PLC0415
            CollectorRegistry,
            ProcessCollector,
            disable_created_metrics,
            make_wsgi_app,
        )
    except ModuleNotFoundError as error:
        raise ModuleNotFoundError("metrics need more: pip install 'vidtomusictags[metrics]'", name=error.name) from None
    disable_created_metrics()  # type: ignore[no-untyped-call]  # a second series for each, which says when it began
    registry = CollectorRegistry()
    ProcessCollector(registry=registry)
    host, _, port = listen.rpartition(":")
    meter = PrometheusMeter(registry, metrics)
    with scraped(host.strip("[]"), int(port), make_wsgi_app(registry)):
        yield meter

"""What a service shows to Prometheus, read back."""

from __future__ import annotations

import asyncio
import urllib.request
from collections.abc import Mapping

from free_ports import free_port
from prometheus_client.metrics_core import Metric
from prometheus_client.parser import text_string_to_metric_families


def free_address() -> str:
    """Metrics listen where the settings say and nowhere else, so a test must know an address beforehand."""
    return f"127.0.0.1:{free_port()}"


class MetricsPage:
    """One scrape."""

    def __init__(self, text: str) -> None:
        self.families: Mapping[str, Metric] = {one.name: one for one in text_string_to_metric_families(text)}

    def value(self, name: str, **labels: str) -> float | None:
        """The sum of the samples of that name that have these labels; None where there is none."""
        found = [
            sample.value
            for family in self.families.values()
            for sample in family.samples
            if sample.name == name and labels.items() <= sample.labels.items()
        ]
        return sum(found) if found else None


def read_now(address: str) -> MetricsPage:
    """Raises OSError where nothing listens."""
    with urllib.request.urlopen(f"http://{address}/metrics", timeout=5) as response:
        return MetricsPage(response.read().decode())


async def read(address: str) -> MetricsPage:
    """The same on a thread: the service under test needs the event loop."""
    return await asyncio.to_thread(read_now, address)


async def until_value(address: str, value: float, name: str, **labels: str) -> MetricsPage:
    """The first page that says so: a call is counted just after its caller has the answer."""
    async with asyncio.timeout(20):
        while (page := await read(address)).value(name, **labels) != value:  # noqa: ASYNC110  # only asking shows it
            await asyncio.sleep(0.01)
    return page

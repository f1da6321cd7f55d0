"""docs/metrics.md lists every metric there is and no other, as the code has it."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from pathlib import Path

import captioner_service.metrics
import classifier_service.metrics
import gateway.metrics
from vidtomusictags.rpc.call_metrics import CALL_METRICS
from vidtomusictags.rpc.metrics import Counter, Metric

GUIDE = Path(__file__).parents[2] / "docs" / "metrics.md"
OF_SERVICES: Mapping[str, Sequence[Metric]] = {
    "captioner": captioner_service.metrics.METRICS,
    "classifier": classifier_service.metrics.METRICS,
    "gateway": gateway.metrics.METRICS,
}


def listed() -> dict[str, tuple[str, str, str, str]]:
    """Kind, labels, services and meaning by name."""
    rows = re.findall(r"^\| `(vidtags_\w+)` \| (\w+) \| (.*?) \| (.*?) \| (.*) \|$", GUIDE.read_text(), re.MULTILINE)
    assert len(rows) == len({row[0] for row in rows})
    return {name: (kind, labels, services, meaning) for name, kind, labels, services, meaning in rows}


def existing() -> dict[str, tuple[str, str, str, str]]:
    metrics: dict[str, Metric] = {}
    services: dict[str, list[str]] = {}
    for service, own in OF_SERVICES.items():
        assert len(own) == len({metric.name for metric in own}), f"{service} lists a metric twice"
        for metric in (*CALL_METRICS, *own):
            assert metrics.setdefault(metric.name, metric) == metric, f"{metric.name} is defined in two ways"
            services.setdefault(metric.name, []).append(service)
    return {
        name: (
            type(metric).__name__.lower(),
            ", ".join(f"`{label}`" for label in metric.labels) or "none",
            "all" if len(services[name]) == len(OF_SERVICES) else ", ".join(services[name]),
            metric.help,
        )
        for name, metric in metrics.items()
    }


def test_the_guide_and_the_code_agree() -> None:
    assert listed() == existing()


def test_counters_are_named_as_prometheus_wants() -> None:
    for metric in [*CALL_METRICS, *(metric for own in OF_SERVICES.values() for metric in own)]:
        assert metric.name.endswith("_total") == isinstance(metric, Counter), metric.name

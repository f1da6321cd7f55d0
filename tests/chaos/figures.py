"""What a run is measured by, as a table."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from load import Answered


def percentile(values: Sequence[float], share: float) -> float:
    """The value below which `share` of all lie; 0 of none."""
    ordered = sorted(values)
    return ordered[min(int(share * len(ordered)), len(ordered) - 1)] if ordered else 0.0


def row(name: str, answered: Sequence[Answered], upstream: Counter[str]) -> list[str]:
    """One fault: requests, calls again by callers and by gateways, refusals, latency, failures."""
    seconds = [one.seconds for one in answered]
    failures = Counter(one.failure.code for one in answered if one.failure is not None)
    refusals = Counter(reason for one in answered for reason in one.refusals)
    return [
        name,
        str(len(answered)),
        str(sum(one.tries - 1 for one in answered)),
        str(upstream.total()),
        _counted(refusals),
        f"{percentile(seconds, 0.5):.2f}",
        f"{percentile(seconds, 0.99):.2f}",
        _counted(failures),
    ]


HEAD = ["fault", "requests", "again by callers", "by gateways", "refusals", "p50 s", "p99 s", "failures"]


def table(rows: Sequence[Sequence[str]]) -> str:
    """In Markdown."""
    columns = list(zip(HEAD, *rows, strict=True))
    widths = [max(map(len, column)) for column in columns]

    def line(cells: Sequence[str]) -> str:
        return "| " + " | ".join(cell.ljust(width) for cell, width in zip(cells, widths, strict=True)) + " |"

    rule = "| " + " | ".join("-" * width for width in widths) + " |"
    return "\n".join([line(HEAD), rule, *map(line, rows)])


def _counted(things: Counter[str]) -> str:
    return ", ".join(f"{count} {name}" for name, count in sorted(things.items())) or "none"

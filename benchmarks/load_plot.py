"""Draws what the load benchmark measured: goodput and latency over offered load, one line a scenario."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from matplotlib.figure import Figure


def plot(results: Mapping[str, Any], path: Path) -> None:
    """Writes an SVG or PNG file, by the name's ending. Loads and goodputs are in multiples of each one's capacity."""
    figure = Figure(figsize=(9, 3.6), layout="constrained")
    goodput, latency = figure.subplots(1, 2)
    goodput.plot([0, 1, 4], [0, 1, 1], color="0.8", linewidth=4, label="ideal")
    for name, result in results.items():
        offered = [level["multiple"] for level in result["levels"]]
        (line,) = goodput.plot(
            offered, [level["good"] / result["capacity"] for level in result["levels"]], marker="o", label=name
        )
        for percent, style in (("p50", "-"), ("p99", ":")):
            shares = [level["latency"].get(percent, float("nan")) / result["deadline"] for level in result["levels"]]
            latency.plot(offered, shares, style, marker="o", color=line.get_color(), label=f"{name}, {percent}")
    goodput.set(xlabel="offered load / capacity", ylabel="answers in time / capacity", ylim=(0, 1.3))
    latency.set(xlabel="offered load / capacity", ylabel="latency of answers / deadline", ylim=(0, 1.05))
    goodput.legend(fontsize="small", frameon=False)
    latency.legend(fontsize="x-small", frameon=False, ncols=2)
    for axes in (goodput, latency):
        axes.spines[["top", "right"]].set_visible(False)
    figure.savefig(path, metadata={"Date": None} if path.suffix == ".svg" else None)

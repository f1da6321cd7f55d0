"""Draws the curves of a report: reliability, precision and recall, risk and coverage, cost against quality."""

from __future__ import annotations

import io
import math
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import matplotlib as mpl
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from vidtomusictags.evaluation.run_result import RunResult

COLOURS = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9", "#000000")
"""Told apart with any eyesight (Okabe and Ito, 2008); runs beyond the last begin anew with another dash."""
_DASHES = ("-", "--", ":", "-.")
_STYLE: Any = {
    "svg.fonttype": "none",
    "svg.hashsalt": "vidtomusictags",
    "font.family": "sans-serif",
    "font.size": 9,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.edgecolor": "#9aa3ad",
    "axes.labelcolor": "#38424c",
    "xtick.color": "#5b6670",
    "ytick.color": "#5b6670",
    "axes.grid": True,
    "grid.color": "#e8ebee",
    "axes.axisbelow": True,
    "legend.frameon": False,
}
_INCHES = (3.9, 3.2)
_PNG_DPI = 200


@dataclass(frozen=True)
class Curve:
    """A picture. name: of its PNG file; svg: an element to stand in a page; about: how to read it."""

    name: str
    title: str
    about: str
    svg: str
    png: bytes


def draw_curves(runs: Sequence[RunResult]) -> list[Curve]:
    """All pictures over all runs; the same figures give the same bytes."""
    drawn = [
        _curve(
            "reliability",
            "Reliability",
            "Confidence against how often it was right, over all tags and clips in bins of equal mass. On the diagonal,"
            " confidence means what it says; below it, the run is too sure of itself.",
            lambda axes: _reliability(axes, runs),
        ),
        _curve(
            "reliability-returned",
            "Reliability of returned tags",
            "The same for the tags that a caller gets to see.",
            lambda axes: _reliability_returned(axes, runs),
        ),
        _curve(
            "precision-recall",
            "Precision and recall",
            "What other thresholds would give, one for all tags. The dot is where the served thresholds are.",
            lambda axes: _precision_recall(axes, runs),
        ),
        _curve(
            "risk-coverage",
            "Risk and coverage",
            "How often the best tag is wrong if the clips with least confidence are left untagged.",
            lambda axes: _risk_coverage(axes, runs),
        ),
    ]
    if any(run.cost for run in runs):
        drawn.append(
            _curve(
                "cost-quality",
                "Cost and quality",
                "Macro F1 with its interval against " + _cost_label(runs).lower() + ". Up and to the left is better.",
                lambda axes: _cost_quality(axes, runs),
            )
        )
    return drawn


def colour(place: int) -> str:
    """The colour of the run at this place."""
    return COLOURS[place % len(COLOURS)]


def _curve(name: str, title: str, about: str, draw: Callable[[Axes], None]) -> Curve:
    with mpl.rc_context(_STYLE):
        figure = Figure(figsize=_INCHES, layout="constrained")
        axes = figure.add_subplot()
        draw(axes)
        svg, png = io.StringIO(), io.BytesIO()
        figure.savefig(svg, format="svg", transparent=True, metadata={"Date": None})
        figure.savefig(png, format="png", dpi=_PNG_DPI, metadata={"Software": None})
    return Curve(name, title, about, _element(svg.getvalue(), name, title), png.getvalue())


def _element(document: str, name: str, title: str) -> str:
    """The svg element alone, with ids of its own, that scales to its box."""
    element = document[document.index("<svg") :]
    element = re.sub(r"<metadata>.*?</metadata>", "", element, flags=re.DOTALL)
    element = re.sub(r'\b(id="|url\(#|href="#)', rf"\g<1>{name}-", element)
    return re.sub(
        r'<svg ([^>]*?)width="[^"]*"([^>]*?)height="[^"]*"|<svg ([^>]*?)height="[^"]*"([^>]*?)width="[^"]*"',
        lambda found: f'<svg role="img" aria-label="{title}" ' + "".join(part or "" for part in found.groups()),
        element,
        count=1,
    )


def _line(place: int) -> dict[str, Any]:
    return {"color": colour(place), "linestyle": _DASHES[place // len(COLOURS) % len(_DASHES)]}


def _unit(axes: Axes, x: str, y: str) -> None:
    axes.set(xlim=(-0.02, 1.02), ylim=(-0.02, 1.02), xlabel=x, ylabel=y)


def _legend(axes: Axes, where: Literal["upper left", "lower left"]) -> None:
    if axes.get_legend_handles_labels()[0]:
        axes.legend(loc=where)


def _reliability(axes: Axes, runs: Sequence[RunResult]) -> None:
    axes.plot([0, 1], [0, 1], color="#9aa3ad", linewidth=1, linestyle=":")
    for place, run in enumerate(runs):
        found = run.reliability
        label = f"{run.spec.name} (ECE {found.ece:.3f})"
        axes.plot(found.confidence, found.right, marker="o", markersize=3.5, label=label, **_line(place))
    _unit(axes, "confidence", "share that was right")
    _legend(axes, "upper left")


def _reliability_returned(axes: Axes, runs: Sequence[RunResult]) -> None:
    axes.plot([0, 1], [0, 1], color="#9aa3ad", linewidth=1, linestyle=":")
    for place, run in enumerate(runs):
        found = run.reliability_returned
        if len(found.count):
            label = f"{run.spec.name} (ECE {found.ece:.3f})"
            axes.plot(found.confidence, found.right, marker="o", markersize=3.5, label=label, **_line(place))
    _unit(axes, "confidence", "share that was right")
    _legend(axes, "upper left")


def _precision_recall(axes: Axes, runs: Sequence[RunResult]) -> None:
    for place, run in enumerate(runs):
        points = run.precision_recall
        if points:
            # At recall 0 precision is that of nothing at all.
            recall, precision = zip(*points, strict=True)
            axes.plot(recall, precision, label=run.spec.name, **_line(place))
        served = run.metrics["micro_recall"].value, run.metrics["micro_precision"].value
        axes.plot(*served, marker="o", color=colour(place), markersize=6, markeredgecolor="white")
    _unit(axes, "recall", "precision")
    _legend(axes, "lower left")


def _risk_coverage(axes: Axes, runs: Sequence[RunResult]) -> None:
    for place, run in enumerate(runs):
        found = run.risk_coverage
        label = f"{run.spec.name} (area {found.area:.3f})"
        axes.step(found.coverage, found.risk, where="post", label=label, **_line(place))
    _unit(axes, "share of clips tagged", "share whose best tag is wrong")
    _legend(axes, "upper left")


def _cost_quality(axes: Axes, runs: Sequence[RunResult]) -> None:
    in_money = _in_money(runs)
    for place, run in enumerate(runs):
        if run.cost is None:
            continue
        cost = (run.cost.usd_per_clip or 0.0) if in_money else run.cost.p50_seconds
        figure = run.metrics["macro_f1"]
        low, high = figure.interval.low, figure.interval.high
        if low is not None and high is not None and not math.isnan(figure.value):
            axes.plot([cost, cost], [low, high], color=colour(place), linewidth=1.5, alpha=0.6)
        axes.plot(cost, figure.value, marker="o", markersize=8, color=colour(place), markeredgecolor="white")
        axes.annotate(run.spec.name, (cost, figure.value), xytext=(7, 0), textcoords="offset points", va="center")
    axes.set(ylim=(-0.02, 1.02), xlabel=_cost_label(runs), ylabel="macro F1")
    axes.set_xlim(left=0)
    axes.margins(x=0.25)


def _cost_label(runs: Sequence[RunResult]) -> str:
    return "US dollars a clip" if _in_money(runs) else "Seconds a clip (median)"


def _in_money(runs: Sequence[RunResult]) -> bool:
    return any(run.cost is not None and run.cost.usd_per_clip for run in runs)

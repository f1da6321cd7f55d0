"""Figures of evaluations and comparisons for people, in 100 columns."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from rich.console import Console
from rich.table import Table
from rich.text import Text

from vidtomusictags.command.rendering import stdout
from vidtomusictags.command.text import printable

if TYPE_CHECKING:
    from vidtomusictags.evaluation.evaluation import Evaluation
    from vidtomusictags.evaluation.inference import Difference

_SHOWN = ("micro_f1", "macro_f1", "map", "lrap", "precision_at_3", "ndcg_at_5", "ece", "brier", "coverage")
_SURE = 0.05


def print_evaluation(evaluation: Evaluation) -> None:
    """What to know first, then one line a run."""
    console = stdout()
    dataset = evaluation.dataset
    people = f"{len(dataset.annotators)} annotator{'' if len(dataset.annotators) == 1 else 's'}"
    alpha = _number(evaluation.agreement.alpha)
    name = printable(dataset.path.name)
    console.print(Text(f"{name}: {len(dataset.items)} clips of {dataset.sources} films, {people}, alpha {alpha}"))
    _print_notes(console, evaluation.warnings)
    table = Table(box=None, header_style="dim", pad_edge=False, padding=(0, 2, 0, 0))
    table.add_column("run", style="bold", no_wrap=True)
    for name in _SHOWN:
        table.add_column(name.replace("_", " "), justify="right")
    for run in evaluation.runs:
        table.add_row(printable(run.spec.name), *(_number(run.metrics[name].value) for name in _SHOWN))
    console.print()
    console.print(table)
    for one in evaluation.comparisons:
        if one.differences is not None:
            console.print()
            print_differences(one.first, one.second, one.differences, ())


def print_differences(first: str, second: str, differences: Mapping[str, Difference], notes: Sequence[str]) -> None:
    """Every metric's difference with interval and p-value."""
    console = stdout()
    console.print(Text(f"{printable(second)} minus {printable(first)}", style="bold"))
    _print_notes(console, notes)
    table = Table(box=None, header_style="dim", pad_edge=False, padding=(0, 2, 0, 0))
    for column, justify in (("metric", "left"), ("difference", "right"), ("95 % interval", "right"), ("p", "right")):
        table.add_column(column, justify="left" if justify == "left" else "right", no_wrap=True)
    for name, one in sorted(differences.items()):
        low, high = one.interval.low, one.interval.high
        interval = f"{low:+.4f} to {high:+.4f}" if low is not None and high is not None else "-"
        style = "bold" if one.p < _SURE and one.value else ""
        table.add_row(
            name, f"{one.value:+.4f}" if not math.isnan(one.value) else "-", interval, f"{one.p:.4f}", style=style
        )
    console.print(table)


def _print_notes(console: Console, notes: Sequence[str]) -> None:
    for note in notes:
        console.print(Text(f"! {printable(note)}", style="yellow"))


def _number(value: float) -> str:
    return "-" if math.isnan(value) else f"{value:.3f}"

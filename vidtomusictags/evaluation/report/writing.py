"""Writes the report: fills the page, and puts its pictures beside it."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from importlib import resources
from pathlib import Path
from typing import Any

from jinja2 import DictLoader, Environment, StrictUndefined
from markupsafe import Markup

from vidtomusictags.evaluation.evaluation import Evaluation
from vidtomusictags.evaluation.faults import CONSEQUENCES, Fault, counted
from vidtomusictags.evaluation.report.curves import colour, draw_curves
from vidtomusictags.evaluation.report.worst_clips import worst_clips
from vidtomusictags.evaluation.run_result import RunResult
from vidtomusictags.version import VERSION

REPORT = "report.html"
PICTURES = "pictures"
_WORST = 12
_UNDEFINED, _MINUS = "\u2013", "\u2212"
_MOST_FAULTS = 200
_MOST_CONFUSED = 14
_MOST_TAGS_IN_MATRIX = 24


@dataclass(frozen=True)
class Column:
    """A column of the table of runs. better: 1 where more is better, -1 where less is, 0 where neither is."""

    metric: str
    label: str
    about: str
    better: int


TAGS = (
    Column("macro_f1", "Macro F1", "mean over tags of F1 at the served thresholds", 1),
    Column("micro_f1", "Micro F1", "F1 over all tags and clips together", 1),
    Column("micro_precision", "Precision", "share of returned tags that are right", 1),
    Column("micro_recall", "Recall", "share of expected tags that were returned", 1),
    Column("map", "mAP", "area under precision and recall, mean over tags", 1),
    Column("roc_auc", "ROC-AUC", "mean over tags", 1),
    Column("jaccard", "Jaccard", "how alike answer and expectation are, mean over clips", 1),
    Column("lrap", "LRAP", "label ranking average precision", 1),
    Column("precision_at_3", "P@3", "share of right tags among the three of most confidence", 1),
    Column("ndcg_at_5", "nDCG@5", "graded ranking of the five tags of most confidence", 1),
    Column("hierarchical_f1", "Hier. F1", "F1 that forgives near misses under one parent", 1),
)
CONFIDENCE = (
    Column("ece", "ECE", "distance between confidence and being right, all tags", -1),
    Column("ece_returned", "ECE ret.", "the same over returned tags", -1),
    Column("brier", "Brier", "squared distance between confidence and being right", -1),
    Column("brier_annotators", "Brier ann.", "squared distance between confidence and the share of annotators", -1),
    Column("aurc", "AURC", "area under risk and coverage", -1),
    Column("coverage", "Tagged", "share of clips with at least one tag", 0),
)
_DIFFERENCES = ("macro_f1", "micro_f1", "map", "jaccard", "ndcg_at_5", "ece", "brier")


def write_report(evaluation: Evaluation, folder: Path) -> Path:
    """Writes report.html and pictures/*.png; returns the path of the former."""
    curves = draw_curves(evaluation.runs)
    (folder / PICTURES).mkdir(parents=True, exist_ok=True)
    for curve in curves:
        (folder / PICTURES / f"{curve.name}.png").write_bytes(curve.png)
    page = render_report(evaluation, [(one.title, one.about, Markup(one.svg)) for one in curves])  # noqa: S704  # ours
    path = folder / REPORT
    path.write_text(page, encoding="utf-8")
    return path


def render_report(evaluation: Evaluation, curves: Sequence[tuple[str, str, Markup]]) -> str:
    """The page. Everything that comes from a data set or a model is escaped."""
    files = resources.files("vidtomusictags.evaluation.report")
    environment = Environment(
        loader=DictLoader(
            {name: (files / name).read_text(encoding="utf-8") for name in ("report.html.j2", "report.css")}
        ),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {"figure": _figure, "percent": _percent, "signed": _signed}
    return environment.get_template("report.html.j2").render(
        evaluation=evaluation,
        dataset=evaluation.dataset,
        runs=evaluation.runs,
        failed=any(run.failures for run in evaluation.runs),
        tables=[("Tags", TAGS), ("Confidence", CONFIDENCE)],
        best={column.metric: _best(evaluation.runs, column) for column in (*TAGS, *CONFIDENCE)},
        differences=_DIFFERENCES,
        labels={column.metric: column.label for column in (*TAGS, *CONFIDENCE)},
        colours=[colour(place) for place in range(len(evaluation.runs))],
        curves=curves,
        tags=_tags(evaluation.runs),
        confusions=[(run, _confused(run), _matrix(run)) for run in evaluation.runs],
        worst=[(run, worst_clips(run, _WORST)) for run in evaluation.runs],
        faults=_faults(evaluation),
        version=VERSION,
        isnan=math.isnan,
    )


def _best(runs: Sequence[RunResult], column: Column) -> str:
    """The name of the best run; empty where there is one alone or none is best."""
    values = {run.spec.name: column.better * run.metrics[column.metric].value for run in runs}
    there = {name: round(value, 3) for name, value in values.items() if not math.isnan(value)}
    if len(set(there.values())) < 2 or not column.better:
        return ""
    best = [name for name, value in there.items() if value == max(there.values())]
    return best[0] if len(best) == 1 else ""


def _tags(runs: Sequence[RunResult]) -> list[dict[str, Any]]:
    """Every tag of every run's taxonomy, by how often it is expected."""
    found: dict[str, dict[str, Any]] = {}
    for place, run in enumerate(runs):
        labels = {tag.id: tag.label for tag in run.taxonomy.active}
        for one in run.tags:
            entry = found.setdefault(
                one.tag, {"label": labels.get(one.tag, one.tag), "expected": one.expected, "runs": [None] * len(runs)}
            )
            entry["runs"][place] = one
    return sorted(found.values(), key=lambda entry: -entry["expected"])


def _confused(run: RunResult) -> list[tuple[str, str, int]]:
    """(missed, returned instead, clips), the most frequent first."""
    pairs = [(run.truth.tags[i], run.truth.tags[j], int(run.confusion[i, j])) for i, j in _nonzero(run)]
    return sorted(pairs, key=lambda pair: -pair[2])[:_MOST_CONFUSED]


def _nonzero(run: RunResult) -> list[tuple[int, int]]:
    rows, columns = run.confusion.nonzero()
    return list(zip(rows.tolist(), columns.tolist(), strict=True))


def _matrix(run: RunResult) -> dict[str, Any] | None:
    """The whole table, where it is small enough to be looked at."""
    tags = run.truth.tags
    if len(tags) > _MOST_TAGS_IN_MATRIX:
        return None
    most = max(1, int(run.confusion.max(initial=0)))
    rows = [
        (tag, [(int(count), round(float(count) / most, 3)) for count in run.confusion[place]])
        for place, tag in enumerate(tags)
    ]
    return {"tags": list(tags), "rows": rows}


def _faults(evaluation: Evaluation) -> list[dict[str, Any]]:
    said: list[dict[str, Any]] = []
    groups = [("Data set", list(evaluation.dataset.faults))]
    groups += [(f"Run {run.spec.name}", list(run.faults)) for run in evaluation.runs]
    for name, faults in groups:
        if faults:
            listed: list[Fault] = faults[:_MOST_FAULTS]
            said.append(
                {
                    "name": name,
                    "counts": [
                        (kind, count, CONSEQUENCES[_kind(faults, kind)]) for kind, count in counted(faults).items()
                    ],
                    "rows": listed,
                    "more": len(faults) - len(listed),
                }
            )
    return said


def _kind(faults: Sequence[Fault], name: str) -> Any:
    return next(fault.kind for fault in faults if str(fault.kind) == name)


def _figure(value: float | None) -> str:
    return _UNDEFINED if value is None or math.isnan(value) else f"{value:.3f}"


def _signed(value: float | None) -> str:
    return _UNDEFINED if value is None or math.isnan(value) else f"{value:+.3f}".replace("-", _MINUS)


def _percent(value: float | None) -> str:
    return _UNDEFINED if value is None or math.isnan(value) else f"{100 * value:.0f} %"

"""An evaluation as files: result.json with every figure, and the answers of each run clip by clip."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import asdict, is_dataclass
from pathlib import Path
from typing import Any

import numpy as np

from vidtomusictags.evaluation.evaluation import Comparison, Evaluation
from vidtomusictags.evaluation.faults import CONSEQUENCES, Fault, counted
from vidtomusictags.evaluation.hierarchy import ancestry
from vidtomusictags.evaluation.run_result import RunResult
from vidtomusictags.version import VERSION

FORMAT = 1
RESULT = "result.json"
ANSWERS = "answers"
_MOST_FAULTS = 10_000


def write_results(evaluation: Evaluation, folder: Path) -> None:
    """Writes result.json and answers/RUN.jsonl."""
    (folder / ANSWERS).mkdir(parents=True, exist_ok=True)
    for run in evaluation.runs:
        with (folder / ANSWERS / f"{run.spec.name}.jsonl").open("w", encoding="utf-8") as file:
            for row in range(len(run.outcomes)):
                file.write(json.dumps(finite(answer_line(run, row)), ensure_ascii=False) + "\n")
    document = json.dumps(evaluation_to_dict(evaluation), indent=2, ensure_ascii=False)
    (folder / RESULT).write_text(document + "\n", encoding="utf-8")


def evaluation_to_dict(evaluation: Evaluation) -> dict[str, Any]:
    """Every figure in JSON's own types; null where one is not defined."""
    dataset = evaluation.dataset
    found: dict[str, Any] = finite(
        {
            "format": FORMAT,
            "made_by": f"vidtomusictags {VERSION}",
            "warnings": list(evaluation.warnings),
            "dataset": {
                "name": dataset.path.name,
                "digest": dataset.digest,
                "rows": dataset.rows,
                "items": len(dataset.items),
                "sources": dataset.sources,
                "annotators": list(dataset.annotators),
                "faults": _faults(dataset.faults),
            },
            "agreement": asdict(evaluation.agreement),
            "runs": {run.spec.name: _run(run) for run in evaluation.runs},
            "comparisons": [_comparison(one) for one in evaluation.comparisons],
        }
    )
    return found


def answer_line(run: RunResult, row: int) -> dict[str, Any]:
    """One clip: what is right, what was answered, and what it was made of."""
    outcome, truth, table = run.outcomes[row], run.truth, run.table
    answer = outcome.answers[0] if outcome.answers else None
    return {
        "id": outcome.item.id,
        "row": outcome.item.row,
        "source": outcome.item.source,
        "clip": Path(outcome.item.clip).name if outcome.item.clip else "",
        "summary": outcome.summary.text if outcome.summary else "",
        "share": {
            truth.tags[c]: round(float(truth.share[row, c]), 6) for c in np.flatnonzero(truth.share[row]).tolist()
        },
        "returned": [asdict(tag) for tag in answer.returned] if answer else [],
        "scores": {
            truth.tags[c]: [round(float(table.confidence[row, c]), 6), round(float(table.raw[row, c]), 6)]
            for c in np.flatnonzero(table.scored[row]).tolist()
        },
        "failure": asdict(outcome.failure) if outcome.failure else None,
    }


def _run(run: RunResult) -> dict[str, Any]:
    ancestors = ancestry(run.taxonomy)
    tags = run.truth.tags
    return {
        "spec": run.spec.to_dict(),
        "identities": {stage: dict(identity.facts) for stage, identity in run.identities.items()},
        "taxonomy": {"id": run.taxonomy.id, "version": run.taxonomy.version, "digest": run.taxonomy.digest},
        "tags": list(tags),
        "ancestors": {
            tags[row]: [tags[c] for c in np.flatnonzero(line).tolist() if c != row]
            for row, line in enumerate(ancestors)
        },
        "counts": {
            "clips": len(run.outcomes),
            "failed": len(run.failures),
            "pairs": int(run.truth.expected.size),
            "expected": int(run.truth.expected.sum()),
            "returned": int(run.table.returned.sum()),
            "scored": int(run.table.scored.sum()),
            "clips_with_expected_tags": int(run.truth.expected.any(axis=1).sum()),
            "tags_with_expected": int(run.measured.tags_with_expected.sum()),
            "unknown_labels": run.truth.unknown,
        },
        "metrics": {
            name: {"value": figure.value, "low": figure.interval.low, "high": figure.interval.high}
            for name, figure in sorted(run.metrics.items())
        },
        "per_tag": [asdict(one) for one in run.tags],
        "reliability": _plain(run.reliability),
        "reliability_returned": _plain(run.reliability_returned),
        "risk_coverage": _plain(run.risk_coverage),
        "confusion": [
            {"missed": tags[i], "returned": tags[j], "clips": int(run.confusion[i, j])}
            for i, j in np.argwhere(run.confusion).tolist()
        ],
        "against_each_annotator": dict(run.against_each),
        "evidence": asdict(run.evidence),
        "stability": asdict(run.stability) if run.stability else None,
        "cost": asdict(run.cost) if run.cost else None,
        "failures": [
            {"id": one.item.id, "row": one.item.row, **asdict(one.failure)} for one in run.failures if one.failure
        ],
        "faults": _faults(run.faults),
        "one_class_tags": list(run.one_class_tags),
    }


def _faults(faults: Any) -> dict[str, Any]:
    """How many of each kind, what follows, and the rows themselves up to a limit that is told."""
    counts = counted(faults)
    listed: list[Fault] = list(faults[:_MOST_FAULTS])
    return {
        "counts": counts,
        "consequences": {str(kind): text for kind, text in CONSEQUENCES.items() if str(kind) in counts},
        "rows": [{"kind": str(one.kind), "row": one.row, "id": one.id, "message": one.message} for one in listed],
        "rows_not_listed": len(faults) - len(listed),
    }


def _comparison(one: Comparison) -> dict[str, Any]:
    return {
        "first": one.first,
        "second": one.second,
        "differ_in": list(one.only),
        "alike": asdict(one.alike) if one.alike else None,
        "differences": {
            name: {"value": d.value, "low": d.interval.low, "high": d.interval.high, "p": d.p, "test": d.test}
            for name, d in sorted(one.differences.items())
        }
        if one.differences is not None
        else None,
    }


def _plain(value: Any) -> dict[str, Any]:
    assert is_dataclass(value)
    return {name: np.asarray(array).tolist() for name, array in vars(value).items()}


def finite(value: Any) -> Any:
    """NaN is no JSON: null instead."""
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, Mapping):
        return {key: finite(entry) for key, entry in value.items()}
    if isinstance(value, list | tuple):
        return [finite(entry) for entry in value]
    return value

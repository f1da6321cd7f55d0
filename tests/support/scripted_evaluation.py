"""Whole evaluations over made-up rows, by scripted stages."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from scripted_stages import ScriptedClassifier, stages

from classifier_service.taxonomy import Tag, Taxonomy
from vidtomusictags.evaluation.dataset import read_dataset
from vidtomusictags.evaluation.evaluation import Evaluation, compared
from vidtomusictags.evaluation.run_result import run_result
from vidtomusictags.evaluation.run_spec import RunSpec
from vidtomusictags.evaluation.running import run_items
from vidtomusictags.evaluation.stage_store import StageCache

MOODS = Taxonomy("moods", "1.0.0", tags=(Tag("happy", "Happy"), Tag("sad", "Sad"), Tag("calm", "Calm", parent="sad")))
_EXPECTED: tuple[list[str], ...] = (["happy"], ["sad"], ["happy", "calm"], [])


def rows(count: int) -> list[dict[str, Any]]:
    """Two clips a film; the summary says which kind of clip it is."""
    return [
        {"id": f"clip-{n}", "source": f"film-{n // 2}", "summary": f"Kind {n % 4} of {n}", "expected": _EXPECTED[n % 4]}
        for n in range(count)
    ]


def good(text: str) -> Mapping[str, float]:
    """Right most of the time."""
    number = int(text.rsplit(maxsplit=1)[-1]) if text[-1].isdigit() else 0
    kind = number % 4
    sure = 0.55 + 0.4 * (number % 7) / 7
    scores = {tag: 0.1 + 0.03 * (number % 5) for tag in ("happy", "sad", "calm")}
    return scores | dict.fromkeys(_EXPECTED[kind], sure) if number % 5 else scores | {"sad": 0.7}


def bad(text: str) -> Mapping[str, float]:
    """Sad about everything."""
    return {"happy": 0.3, "sad": 0.8, "calm": 0.2}


_RUNS: Mapping[str, Callable[[str], Mapping[str, float]]] = {"base": good, "worse": bad, "<b>odd</b>": good}


def evaluation(made: Sequence[Mapping[str, Any]], folder: Path, *, runs: Sequence[str]) -> Evaluation:
    """An evaluation of these rows by runs called `base` and `worse`."""
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / "set.jsonl"
    path.write_text("\n".join(map(json.dumps, made)))
    data = read_dataset(path)
    results = []
    with StageCache(folder / "cache.sqlite") as store:
        for name in runs:
            one = stages(ScriptedClassifier(_RUNS[name], model=name))
            outcomes = run_items(data.items, one, store, workers=2)
            identities = {"classify": one.classifier.identity}
            spec = RunSpec(name)
            results.append(run_result(data, MOODS, outcomes, spec=spec, identities=identities, resamples=200))
    return Evaluation(data, results, [compared(results[0], other) for other in results[1:]])

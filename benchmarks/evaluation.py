"""How long it takes to score a large set, and in how much memory: python benchmarks/evaluation.py [ITEMS [TAGS]].

Prints one JSON line: seconds of each step, the largest resident size, and the floor that scikit-learn alone sets.
"""

from __future__ import annotations

import json
import resource
import sys
import time
from pathlib import Path

import numpy as np
from sklearn.metrics import average_precision_score, label_ranking_average_precision_score, ndcg_score

from classifier_service.taxonomy import Tag, Taxonomy
from vidtomusictags.evaluation.dataset import Dataset, Item
from vidtomusictags.evaluation.run_result import RunResult, run_result
from vidtomusictags.evaluation.run_spec import RunSpec
from vidtomusictags.evaluation.running import Outcome
from vidtomusictags.evaluation.score_row import ScoreRow
from vidtomusictags.evaluation.stage_results import Answer, Returned, Summary


def made_up(items: int, tags: int) -> tuple[Dataset, Taxonomy, list[Outcome]]:
    """A labelled set with the answers of a run that is right more often than not; ten clips a film."""
    random = np.random.default_rng(0)
    names = [f"tag-{number}" for number in range(tags)]
    taxonomy = Taxonomy("large", "1.0.0", tags=tuple(Tag(name, name.title()) for name in names))
    expected = random.random((items, tags)) < 0.03
    scores = np.clip(0.35 * expected + random.beta(1, 8, size=expected.shape), 0, 1).round(4)
    rows, outcomes = [], []
    for number in range(items):
        labels = {"ann": {names[column]: 1.0 for column in np.flatnonzero(expected[number])}}
        item = Item(f"clip-{number}", number + 1, labels, f"film-{number // 10}", summary="A summary.")
        line = scores[number].tolist()
        answer = Answer(
            tuple(Returned(names[column], line[column]) for column in np.flatnonzero(scores[number] >= 0.4)),
            ScoreRow({name: (value, value) for name, value in zip(names, line, strict=True)}),
        )
        rows.append(item)
        outcomes.append(Outcome(item, Summary("A summary."), (answer,)))
    return Dataset(Path("made-up.jsonl"), "", items, rows, ()), taxonomy, outcomes


def largest_megabytes() -> float:
    """Of this process until now."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def floor_seconds(run: RunResult) -> float:
    """What scikit-learn needs for its three slow metrics, once and without any interval."""
    expected, confidence = run.truth.expected, run.table.confidence
    rows = expected.any(axis=1)
    started = time.perf_counter()
    label_ranking_average_precision_score(expected[rows], confidence[rows])
    ndcg_score(run.truth.share[rows], confidence[rows], k=5)
    average_precision_score(expected, confidence, average="macro")
    return time.perf_counter() - started


def main() -> None:
    """Makes the set, scores it, prints."""
    items = int(sys.argv[1]) if len(sys.argv) > 1 else 100_000
    tags = int(sys.argv[2]) if len(sys.argv) > 2 else 100
    dataset, taxonomy, outcomes = made_up(items, tags)
    before = largest_megabytes()
    started, cpu = time.perf_counter(), time.process_time()
    run = run_result(dataset, taxonomy, outcomes, spec=RunSpec("made-up"), identities={})
    seconds, cpu_seconds = time.perf_counter() - started, time.process_time() - cpu
    scored = largest_megabytes()
    print(
        json.dumps(
            {
                "items": items,
                "tags": tags,
                "seconds": round(seconds, 1),
                "cpu_seconds": round(cpu_seconds, 1),
                "megabytes": round(scored),
                "megabytes_of_the_answers": round(before),
                "scikit_learn_seconds": round(floor_seconds(run), 1),
                "macro_f1": round(run.metrics["macro_f1"].value, 4),
                "map_interval": [run.metrics["map"].interval.low, run.metrics["map"].interval.high],
            }
        )
    )


if __name__ == "__main__":
    main()

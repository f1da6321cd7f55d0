"""A run read back from the files of an evaluation, to be compared with another."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from vidtomusictags.evaluation.inference import Measured
from vidtomusictags.evaluation.labels import EXPECTED_SHARE, Truth
from vidtomusictags.evaluation.result_file import ANSWERS, FORMAT, RESULT
from vidtomusictags.evaluation.score_table import ScoreTable
from vidtomusictags.evaluation.sums import sums_of


class ResultUnusable(ValueError):
    """Files of an evaluation cannot be read, or two runs cannot be compared; the message says what to do."""


@dataclass(frozen=True)
class StoredRun:
    """name: `evaluation:run`. lines: the answers by the clip's id."""

    name: str
    tags: Sequence[str]
    taxonomy_digest: str
    ancestors: Mapping[str, Sequence[str]]
    lines: Mapping[str, Mapping[str, Any]]

    @property
    def failed(self) -> int:
        """Clips without an answer."""
        return sum(line["failure"] is not None for line in self.lines.values())


def read_run(argument: str) -> StoredRun:
    """FOLDER or FOLDER:RUN; the run may be left out where there is one alone. Raises ResultUnusable, OSError."""
    folder, wanted = _split(argument)
    try:
        document = json.loads((folder / RESULT).read_text(encoding="utf-8"))
        runs = document["runs"]
        if document["format"] != FORMAT:
            raise ResultUnusable(f"{argument}: is of format {document['format']}; evaluate anew.")
    except (ValueError, KeyError, TypeError) as error:
        if isinstance(error, ResultUnusable):
            raise
        raise ResultUnusable(f"{argument}: {RESULT} is no result of an evaluation.") from error
    if not wanted and len(runs) != 1:
        raise ResultUnusable(f"{argument} holds several runs; name one as {folder}:NAME, of {', '.join(runs)}.")
    name = wanted or next(iter(runs))
    if name not in runs:
        raise ResultUnusable(f"{argument}: there is no run {name!r}; there is: {', '.join(runs)}.")
    run = runs[name]
    with (folder / ANSWERS / f"{name}.jsonl").open(encoding="utf-8") as file:
        lines = {entry["id"]: entry for entry in map(json.loads, file)}
    return StoredRun(f"{folder.name}:{name}", run["tags"], run["taxonomy"]["digest"], run["ancestors"], lines)


def paired(first: StoredRun, second: StoredRun) -> tuple[Measured, Measured, Sequence[str]]:
    """Both over the clips that both have, and what was left out of which. Raises ResultUnusable."""
    if first.tags != second.tags or first.taxonomy_digest != second.taxonomy_digest:
        raise ResultUnusable(f"{first.name} and {second.name} answer in different taxonomies and cannot be compared.")
    both = [id for id in first.lines if id in second.lines]
    if not both:
        raise ResultUnusable(f"{first.name} and {second.name} have no clip in common.")
    notes = []
    for one, other in ((first, second), (second, first)):
        alone = len(one.lines) - len(both)
        if alone:
            notes.append(f"{alone} of {len(one.lines)} clips of {one.name} are not in {other.name} and are left out.")
        if one.failed:
            notes.append(f"{one.failed} of {len(one.lines)} clips of {one.name} failed and count as empty answers.")
    changed = sum(first.lines[id]["share"] != second.lines[id]["share"] for id in both)
    if changed:
        raise ResultUnusable(
            f"The labels of {changed} clips differ between {first.name} and {second.name}; evaluate both anew."
        )
    return _measured(first, both), _measured(second, both), notes


def _measured(run: StoredRun, ids: Sequence[str]) -> Measured:
    columns = {tag: place for place, tag in enumerate(run.tags)}
    shape = (len(ids), len(columns))
    share, confidence, raw = (np.zeros(shape, np.float32) for _ in range(3))
    scored, returned = np.zeros(shape, bool), np.zeros(shape, bool)
    for row, id in enumerate(ids):
        line = run.lines[id]
        for tag, value in line["share"].items():
            share[row, columns[tag]] = value
        for tag, (sure, estimate) in line["scores"].items():
            confidence[row, columns[tag]], raw[row, columns[tag]], scored[row, columns[tag]] = sure, estimate, True
        for tag in line["returned"]:
            returned[row, columns[tag["id"]]] = True
    answered = np.array([run.lines[id]["failure"] is None for id in ids])
    truth = Truth(run.tags, share, share >= EXPECTED_SHARE - 1e-6, share[None], ("expected",), 0, ())
    table = ScoreTable(run.tags, confidence, raw, scored, returned, answered)
    ancestors = np.eye(len(columns), dtype=bool)
    for tag, above in run.ancestors.items():
        for one in above:
            ancestors[columns[tag], columns[one]] = True
    return Measured(truth, table, sums_of(truth, table, ancestors, [run.lines[id]["source"] for id in ids]))


def _split(argument: str) -> tuple[Path, str]:
    path = Path(argument)
    if path.exists():
        return (path.parent if path.name == RESULT else path), ""
    folder, _, run = argument.rpartition(":")
    return Path(folder), run

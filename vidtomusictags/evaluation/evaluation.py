"""A whole evaluation: one data set, several runs, and how each compares with the first."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

from vidtomusictags.evaluation.agreement import Agreement, agreement
from vidtomusictags.evaluation.answer_quality import Stability, agreement_of_runs
from vidtomusictags.evaluation.dataset import Dataset
from vidtomusictags.evaluation.inference import Difference, differences
from vidtomusictags.evaluation.run_result import RunResult

_MOST_NAMED = 8
_FEW_SOURCES = 15


@dataclass(frozen=True)
class Comparison:
    """Two runs over the same clips. differences: the second minus the first; None where their taxonomies differ.

    alike: how similar their answers are. only: settings in which alone they differ.
    """

    first: str
    second: str
    differences: Mapping[str, Difference] | None
    alike: Stability | None
    only: Sequence[str]


@dataclass(frozen=True)
class Evaluation:
    """dataset: with its faults. runs: at least one, names unique."""

    dataset: Dataset
    runs: Sequence[RunResult]
    comparisons: Sequence[Comparison] = ()

    @cached_property
    def agreement(self) -> Agreement:
        """Of the annotators, over the tags of the first run."""
        return agreement(self.runs[0].truth)

    @cached_property
    def warnings(self) -> Sequence[str]:
        """What a reader must know before any figure, worst first."""
        said = []
        for run in self.runs:
            if run.failures:
                said.append(
                    f"Run {run.spec.name}: {len(run.failures)} of {len(run.outcomes)} clips failed;"
                    " they count as empty answers in every figure."
                )
            if run.truth.unknown or run.faults:
                said.append(f"Run {run.spec.name}: {_told(run)}.")
        if self.dataset.faults:
            left_out = self.dataset.rows - len(self.dataset.items)
            said.append(
                f"The data set has {_number(len(self.dataset.faults), 'fault')}; {left_out} of {self.dataset.rows} rows"
                " are left out."
            )
        alike = {(tuple(run.one_class_tags), run.taxonomy.id, len(run.truth.tags)) for run in self.runs}
        for one_class, taxonomy, count in sorted(alike):
            if one_class:
                named = ", ".join(one_class[:_MOST_NAMED]) + (", ..." if len(one_class) > _MOST_NAMED else "")
                said.append(
                    f"{len(one_class)} of the {count} tags of {taxonomy} are expected of no clip or of every clip and"
                    f" cannot be ranked: {named}."
                )
        if self.dataset.sources < _FEW_SOURCES:
            films = _number(self.dataset.sources, "film")
            said.append(f"There are only {films}: intervals and p-values, which draw whole films, are rough guesses.")
        said += self.agreement.warnings
        return said


def compared(first: RunResult, second: RunResult) -> Comparison:
    """The second run against the first."""
    same = first.taxonomy.digest == second.taxonomy.digest
    one, other = first.spec.to_dict(), second.spec.to_dict()
    only = sorted(key for key in one.keys() | other.keys() if key != "name" and one.get(key) != other.get(key))
    return Comparison(
        first=first.spec.name,
        second=second.spec.name,
        differences=differences(first.measured, second.measured) if same else None,
        alike=agreement_of_runs(first.outcomes, second.outcomes) if same else None,
        only=only,
    )


def _told(run: RunResult) -> str:
    bad = len(run.table.faults)
    parts = []
    if run.truth.faults:
        unknown = _number(len(run.truth.faults), "label")
        parts.append(f"{unknown} name tags outside {run.taxonomy.id}@{run.taxonomy.version}, which no answer can hold")
    if bad:
        parts.append(f"{_number(bad, 'score')} are not numbers from 0 to 1 and count as 0")
    return "; ".join(parts)


def _number(count: int, noun: str) -> str:
    return f"{count} {noun}{'' if count == 1 else 's'}"

"""Everything that is found out about one run."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from vidtomusictags.evaluation.agreement import against_each
from vidtomusictags.evaluation.answer_quality import (
    CostFigures,
    EvidenceFigures,
    Stability,
    cost_figures,
    evidence_figures,
    stability,
)
from vidtomusictags.evaluation.calibration_error import Reliability, reliability
from vidtomusictags.evaluation.dataset import Dataset
from vidtomusictags.evaluation.faults import Fault
from vidtomusictags.evaluation.hierarchy import ancestry
from vidtomusictags.evaluation.inference import RESAMPLES, Interval, Measured, intervals
from vidtomusictags.evaluation.labels import Truth, truth_of
from vidtomusictags.evaluation.point_metrics import TagFigures, point_metrics, precision_recall_points, tag_figures
from vidtomusictags.evaluation.risk_coverage import RiskCoverage, risk_coverage
from vidtomusictags.evaluation.run_spec import RunSpec
from vidtomusictags.evaluation.running import Outcome
from vidtomusictags.evaluation.score_table import ScoreTable, score_table
from vidtomusictags.evaluation.stage_results import Identity
from vidtomusictags.evaluation.sums import sums_of

if TYPE_CHECKING:
    from classifier_service.taxonomy import Taxonomy


@dataclass(frozen=True)
class Figure:
    """A metric over all clips, NaN where it is not defined, with its interval."""

    value: float
    interval: Interval


@dataclass(frozen=True)
class RunResult:
    """One run over a data set. confusion: int (tags, tags), [i, j]: clips that missed i and wrongly got j."""

    spec: RunSpec
    identities: Mapping[str, Identity]
    taxonomy: Taxonomy
    outcomes: Sequence[Outcome]
    measured: Measured
    metrics: Mapping[str, Figure]
    tags: Sequence[TagFigures]
    confusion: NDArray[np.int64]
    evidence: EvidenceFigures
    stability: Stability | None
    cost: CostFigures | None

    @property
    def truth(self) -> Truth:
        """What is right."""
        return self.measured.truth

    @property
    def table(self) -> ScoreTable:
        """What was answered."""
        return self.measured.table

    @property
    def failures(self) -> Sequence[Outcome]:
        """Clips without an answer, which count as empty answers."""
        return [outcome for outcome in self.outcomes if outcome.failure is not None]

    @property
    def faults(self) -> Sequence[Fault]:
        """What is wrong with labels and scores, for this run's taxonomy."""
        return (*self.truth.faults, *self.table.faults)

    @property
    def one_class_tags(self) -> Sequence[str]:
        """Tags that no clip deserves, or every one: what cannot be ranked, and for the former is in no macro mean."""
        expected = self.truth.expected
        alike = np.asarray(~expected.any(axis=0) | expected.all(axis=0))
        return [tag for tag, one in zip(self.truth.tags, alike, strict=True) if one]

    @cached_property
    def reliability(self) -> Reliability:
        """Of all confidences."""
        return reliability(self.table.confidence.ravel(), self.truth.expected.ravel())

    @cached_property
    def reliability_returned(self) -> Reliability:
        """Of the confidences of returned tags."""
        returned = self.table.returned
        return reliability(self.table.confidence[returned], self.truth.expected[returned])

    @cached_property
    def risk_coverage(self) -> RiskCoverage:
        """What abstaining buys."""
        return risk_coverage(self.truth.expected, self.table.confidence)

    @cached_property
    def precision_recall(self) -> Sequence[tuple[float, float]]:
        """(recall, precision) of all pairs."""
        return precision_recall_points(self.truth.expected, self.table.confidence)

    @cached_property
    def against_each(self) -> Mapping[str, float]:
        """Micro F1 against each annotator alone."""
        return against_each(self.truth, self.table.returned)


def run_result(
    dataset: Dataset,
    taxonomy: Taxonomy,
    outcomes: Sequence[Outcome],
    *,
    spec: RunSpec,
    identities: Mapping[str, Identity],
    resamples: int = RESAMPLES,
) -> RunResult:
    """Measures the outcomes of a run, one per item of the data set, in its order."""
    truth = truth_of(dataset.items, taxonomy)
    table = score_table(outcomes, truth.tags)
    sums = sums_of(truth, table, ancestry(taxonomy), [item.source for item in dataset.items])
    measured = Measured(truth, table, sums)
    values = point_metrics(measured)
    values["aurc"] = risk_coverage(truth.expected, table.confidence).area
    found = intervals(measured, resamples=resamples)
    metrics = {name: Figure(value, found.get(name, Interval(None, None))) for name, value in values.items()}
    missed, wrong = truth.expected & ~table.returned, table.returned & ~truth.expected
    return RunResult(
        spec=spec,
        identities=identities,
        taxonomy=taxonomy,
        outcomes=outcomes,
        measured=measured,
        metrics=metrics,
        tags=tag_figures(measured),
        confusion=np.rint(missed.T.astype(np.float32) @ wrong.astype(np.float32)).astype(np.int64),
        evidence=evidence_figures(outcomes),
        stability=stability(outcomes),
        cost=cost_figures(outcomes, spec),
    )

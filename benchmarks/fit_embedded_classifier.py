"""Fits the numbers of the embedded classifier to labelled summaries and says how well they carry over.

    python benchmarks/fit_embedded_classifier.py LABELLED.jsonl TAXONOMY.yaml... [--write]

A line of LABELLED is {"taxonomy": id of one of the taxonomies, "summary": text, "expected": [labels]}. Every taxonomy
is judged by numbers fitted on the others alone; those that `--write` puts into the package are fitted on all. Tags
are tried as described only, and with all that the files say of them. Needs scikit-learn.
"""

from __future__ import annotations

import argparse
import dataclasses
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import numpy.typing as npt
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import average_precision_score

from classifier_service.engines.embedded.coefficients import Coefficients, packaged_coefficients
from classifier_service.engines.embedded.encoder import Encoder
from classifier_service.engines.embedded.prototypes import embed
from classifier_service.engines.embedded.reading import read
from classifier_service.engines.embedded.scenes import Scenes, packaged_concepts
from classifier_service.engines.embedded.scoring import likenesses, margins
from classifier_service.engines.embedded.summary_vectors import encode_summary
from classifier_service.engines.embedded.weights import find_weights
from classifier_service.taxonomy import Taxonomy
from classifier_service.taxonomy_file import read_taxonomy

Numbers = npt.NDArray[np.float64]

THRESHOLDS = (0.35, 0.40, 0.45, 0.50, 0.55)


@dataclass(frozen=True)
class Trial:
    """One taxonomy's cases. features: (cases, tags, 2), likeness and margin. truth: bool (cases, tags)."""

    name: str
    taxonomy: str
    features: Numbers
    truth: npt.NDArray[np.bool_]


def main() -> None:
    """Prints a table for each taxonomy and way of describing tags, and the numbers fitted on all."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("labelled", type=Path)
    parser.add_argument("taxonomies", type=Path, nargs="+")
    parser.add_argument("--write", action="store_true", help="put the numbers fitted on all into the package")
    arguments = parser.parse_args()

    cases = [json.loads(line) for line in arguments.labelled.read_text(encoding="utf-8").splitlines() if line.strip()]
    taxonomies = [read_taxonomy(path.read_bytes(), name=path.name) for path in arguments.taxonomies]
    trials = run(cases, taxonomies)
    for trial in trials:
        others = [other for other in trials if other.taxonomy != trial.taxonomy]
        if others:
            names = ", ".join(sorted({other.taxonomy for other in others}))
            print(f"{trial.name}, {len(trial.truth)} summaries, fitted on {names}")
            report(trial, fit(others))
    fitted = fit(trials)
    print(f"fitted on all: likeness {fitted[0]:.3f}, margin {fitted[1]:.3f}, intercept {fitted[2]:.3f}")
    if arguments.write:
        write(fitted, cases, taxonomies)


def run(cases: Sequence[Mapping[str, object]], taxonomies: Sequence[Taxonomy]) -> list[Trial]:
    """The features of every case, as the engine computes them, with descriptions only and with everything."""
    encoder = Encoder(find_weights())
    scenes = Scenes(encoder, packaged_concepts())
    temperature = packaged_coefficients().temperature
    trials = []
    for taxonomy in taxonomies:
        for way, variant in (("descriptions only", described_only(taxonomy)), ("all that is said", taxonomy)):
            prototypes = embed(variant, encoder, scenes)
            features, truth = [], []
            for case in (case for case in cases if case["taxonomy"] == taxonomy.id):
                summary = str(case["summary"])
                vectors = encode_summary(summary, read(summary).passages, encoder)
                if vectors is None:
                    continue
                alike = likenesses(vectors, prototypes, scenes)
                features.append(np.stack([alike, margins(alike, prototypes, temperature)], axis=1))
                truth.append([tag.label in case["expected"] for tag in prototypes.tags])  # type: ignore[operator]
            trials.append(Trial(f"{taxonomy.id}, {way}", taxonomy.id, np.array(features), np.array(truth)))
    return trials


def described_only(taxonomy: Taxonomy) -> Taxonomy:
    """The same tags with nothing but label and description."""
    bare = {"synonyms": (), "examples": (), "cues_for": (), "cues_against": ()}
    return dataclasses.replace(taxonomy, tags=tuple(dataclasses.replace(tag, **bare) for tag in taxonomy.tags))  # type: ignore[arg-type]


def fit(trials: Sequence[Trial]) -> tuple[float, float, float]:
    """Likeness, margin and intercept of a logistic regression over all pairs of summary and tag."""
    features = np.concatenate([trial.features.reshape(-1, 2) for trial in trials])
    truth = np.concatenate([trial.truth.ravel() for trial in trials])
    model = LogisticRegression(C=1e3, max_iter=10_000).fit(features, truth)
    return float(model.coef_[0, 0]), float(model.coef_[0, 1]), float(model.intercept_[0])


def report(trial: Trial, fitted: tuple[float, float, float]) -> None:
    """Prints F1 at some thresholds, mean average precision and expected calibration error (10 equal bins)."""
    predicted = 1 / (1 + np.exp(-(trial.features @ np.array(fitted[:2]) + fitted[2])))
    for threshold in THRESHOLDS:
        chosen = predicted >= threshold
        hits, wrong, missed = (
            (chosen & trial.truth).sum(0),
            (chosen & ~trial.truth).sum(0),
            (~chosen & trial.truth).sum(0),
        )
        macro = (2 * hits / np.maximum(1, 2 * hits + wrong + missed)).mean()
        micro = 2 * hits.sum() / max(1, 2 * hits.sum() + wrong.sum() + missed.sum())
        untagged = ~trial.truth.any(axis=1)
        print(
            f"  threshold {threshold:.2f}: macro F1 {macro:.3f}, micro F1 {micro:.3f},"
            f" {chosen[untagged].any(axis=1).sum()} of {untagged.sum()} summaries without a tag were given one"
        )
    columns = range(trial.truth.shape[1])
    precision = np.mean([average_precision_score(trial.truth[:, i], predicted[:, i]) for i in columns])
    error = calibration_error(trial.truth, predicted)
    print(f"  mean average precision {precision:.3f}, expected calibration error {error:.3f}")


def calibration_error(truth: npt.NDArray[np.bool_], predicted: Numbers) -> float:
    """Mean distance between confidence and share of right tags, over ten bins of equal width."""
    bins = np.minimum((predicted * 10).astype(int), 9)
    members = [bins == number for number in range(10)]
    gaps = [inside.mean() * abs(truth[inside].mean() - predicted[inside].mean()) for inside in members if inside.any()]
    return float(np.sum(gaps))


def write(fitted: tuple[float, float, float], cases: Sequence[object], taxonomies: Sequence[Taxonomy]) -> None:
    """Replaces the numbers of the package; what was not fitted stays."""
    path = Path(__file__).parent.parent / "classifier_service/engines/embedded/coefficients.json"
    old = packaged_coefficients()
    new = Coefficients(
        version=str(int(old.version) + 1),
        date=datetime.now(UTC).date().isoformat(),
        fitted_on="hand-written summaries: "
        + ", ".join(f"{len(taxonomy.active)} tags of {taxonomy.id}" for taxonomy in taxonomies),
        n=len(cases),
        temperature=old.temperature,
        likeness=round(fitted[0], 3),
        margin=round(fitted[1], 3),
        intercept=round(fitted[2], 3),
        threshold=old.threshold,
    )
    path.write_text(json.dumps(dataclasses.asdict(new), indent=2) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()

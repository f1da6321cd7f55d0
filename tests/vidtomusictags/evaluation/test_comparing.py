"""Two evaluations read back and compared, and conditions that fail a CI."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

import pytest
from scripted_evaluation import evaluation, rows

from vidtomusictags.evaluation.conditions import ConditionInvalid, parse_condition
from vidtomusictags.evaluation.evaluation import Evaluation
from vidtomusictags.evaluation.inference import Difference, Interval, differences, point_values
from vidtomusictags.evaluation.result_file import write_results
from vidtomusictags.evaluation.stored_run import ResultUnusable, paired, read_run


@pytest.fixture(scope="module")
def both(tmp_path_factory: pytest.TempPathFactory) -> Evaluation:
    folder = tmp_path_factory.mktemp("both")
    return evaluation(rows(24), folder, runs=("base", "worse"))


def test_what_is_read_back_measures_as_it_did(both: Evaluation, tmp_path: Path) -> None:
    write_results(both, tmp_path)
    first, second = read_run(f"{tmp_path}:base"), read_run(f"{tmp_path}:worse")
    one, other, notes = paired(first, second)
    assert point_values(one) == pytest.approx(point_values(both.runs[0].measured), nan_ok=True, abs=1e-6)
    found = differences(one, other, resamples=100)
    assert found["micro_f1"].value < 0
    assert all("failed" in note for note in notes)


def test_result_json_holds_every_figure_and_no_nan(both: Evaluation, tmp_path: Path) -> None:
    write_results(both, tmp_path)
    text = (tmp_path / "result.json").read_text()
    document = json.loads(text, parse_constant=lambda name: pytest.fail(f"{name} is no JSON"))
    run = document["runs"]["base"]
    assert run["metrics"].keys() >= {"macro_f1", "map", "roc_auc", "ece", "brier", "lrap", "aurc", "hierarchical_f1"}
    assert run["counts"]["clips"] == 24
    assert len(document["comparisons"]) == 1
    assert len((tmp_path / "answers" / "base.jsonl").read_text().splitlines()) == 24


def test_clips_that_one_run_lacks_are_left_out_and_told(both: Evaluation, tmp_path: Path) -> None:
    write_results(both, tmp_path / "one")
    write_results(evaluation(rows(20), tmp_path / "data", runs=("base",)), tmp_path / "two")
    _, other, notes = paired(read_run(f"{tmp_path / 'one'}:base"), read_run(str(tmp_path / "two")))
    assert len(other.truth.expected) == 20
    assert any("4 of 24 clips of one:base are not in two:base" in note for note in notes)


def test_runs_against_other_labels_are_not_compared(both: Evaluation, tmp_path: Path) -> None:
    write_results(both, tmp_path / "one")
    changed = [{**row, "expected": ["sad"]} for row in rows(24)]
    write_results(evaluation(changed, tmp_path / "data", runs=("base",)), tmp_path / "two")
    with pytest.raises(ResultUnusable, match="labels of"):
        paired(read_run(f"{tmp_path / 'one'}:base"), read_run(str(tmp_path / "two")))


def test_one_of_several_runs_must_be_named(both: Evaluation, tmp_path: Path) -> None:
    write_results(both, tmp_path)
    with pytest.raises(ResultUnusable, match="base, worse"):
        read_run(str(tmp_path))
    with pytest.raises(ResultUnusable, match="there is no run 'better'"):
        read_run(f"{tmp_path}:better")


FOUND = {
    "macro_f1": Difference(-0.03, Interval(-0.05, -0.01), 0.02, "permutation"),
    "ece": Difference(float("nan"), Interval(None, None), 1.0, "bootstrap"),
}


@pytest.mark.parametrize(
    ("text", "holds"),
    [
        ("macro_f1 < -0.02", True),
        ("macro_f1 < -.04", False),
        ("macro_f1<=-0.03", True),
        ("macro_f1 > 0", False),
        ("macro_f1 < 0 and p < 0.05", True),
        ("macro_f1 < 0 and p < 0.01", False),
        ("ece > 0.5", True),  # what cannot be measured must not pass
    ],
)
def test_a_condition_holds_for_differences_beyond_its_bound(text: str, holds: bool) -> None:
    assert parse_condition(text, FOUND).holds(FOUND) is holds


@pytest.mark.parametrize("text", ["macro_f1", "macro_f1 = 0", "macro_f1 < x", "f2 < 0", "__import__('os') < 1"])
def test_anything_else_is_no_condition(text: str) -> None:
    with pytest.raises(ConditionInvalid):
        parse_condition(text, FOUND)


def test_an_evaluation_with_failures_says_so_first(tmp_path: Path) -> None:
    made: Sequence[dict[str, object]] = [*rows(8), {"id": "r", "summary": "refuse this", "expected": ["happy"]}]
    found = evaluation([*made, {"id": "r", "summary": "twice", "expected": []}], tmp_path, runs=("base",))
    assert "1 of 9 clips failed" in found.warnings[0]
    assert any("1 of 10 rows are left out" in warning for warning in found.warnings)


def test_few_films_make_rough_intervals_and_that_is_said(tmp_path: Path) -> None:
    few = evaluation(rows(8), tmp_path / "few", runs=("base",))
    assert any("only 4 films" in warning for warning in few.warnings)
    many = evaluation(rows(40), tmp_path / "many", runs=("base",))
    assert not any("films" in warning for warning in many.warnings)

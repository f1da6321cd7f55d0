"""`vidtags evaluate` and `vidtags calibrate`, with the recorded answers of the repository and with fake services."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from vidtomusictags.classifier.v1 import classifier_pb2
from vidtomusictags.command.app import app
from vidtomusictags.rpc import failures

EXAMPLES = Path(__file__).parents[3] / "examples" / "evaluation"
SUMMARIES, RECORDED = EXAMPLES / "music-moods.jsonl", EXAMPLES / "recorded"


@pytest.fixture(scope="module")
def evaluated(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of the repository's own evaluation, repeated from its recording."""
    folder = tmp_path_factory.mktemp("evaluated")
    runs = ("--runs", EXAMPLES / "runs.yaml", "--replay", RECORDED / "music-moods.jsonl")
    ran = CliRunner().invoke(app, ["evaluate", *map(str, (SUMMARIES, *runs, "--out", folder, "--quiet"))])
    assert ran.exit_code == 0, ran.stderr
    assert "report.html" in ran.stdout
    return folder


@pytest.fixture
def rows(tmp_path: Path) -> Path:
    path = tmp_path / "rows.jsonl"
    lines = [
        {"id": "a", "summary": "The meadow is sunny. A sunny meadow.", "expected": ["happy", "odd"]},
        {"id": "b", "clip": "gone.mp4", "expected": ["calm"]},
        {"id": "b", "summary": "again", "expected": []},
    ]
    path.write_text("\n".join(map(json.dumps, lines)))
    return path


def test_the_repository_evaluates_itself_without_any_engine(evaluated: Path) -> None:
    document = json.loads((evaluated / "result.json").read_text())
    run = document["runs"]["embedded"]
    assert (document["dataset"]["items"], document["dataset"]["sources"]) == (60, 20)
    assert run["counts"]["failed"] == 0
    # A rough floor: what the embedded engine could do when this set was written, less what chance may take away.
    assert run["metrics"]["micro_f1"]["value"] > 0.5
    assert run["evidence"]["verbatim"] == 1.0
    assert document["comparisons"][0]["differ_in"] == ["min_confidence"]


def test_a_recording_gives_the_same_files_to_the_byte(vidtags: Any, evaluated: Path, tmp_path: Path) -> None:
    runs = ("--runs", EXAMPLES / "runs.yaml", "--replay", RECORDED / "music-moods.jsonl")
    assert vidtags("evaluate", SUMMARIES, *runs, "--out", tmp_path, "--quiet").code == 0
    for name in ("result.json", "report.html", "answers/embedded.jsonl", "pictures/reliability.png"):
        assert (tmp_path / name).read_bytes() == (evaluated / name).read_bytes(), name


def test_clips_are_repeated_with_their_frames(vidtags: Any, tmp_path: Path) -> None:
    runs = ("--runs", EXAMPLES / "clip-runs.yaml", "--replay", RECORDED / "clips.jsonl")
    ran = vidtags("evaluate", EXAMPLES / "clips.jsonl", *runs, "--out", tmp_path, "--json")
    assert ran.code == 0, ran.stderr
    assert ran.document["runs"]["uniform"]["counts"]["failed"] == 0
    assert ran.document["runs"]["uniform"]["stability"]["identical"] == 1.0
    assert "data:image/jpeg;base64," in (tmp_path / "report.html").read_text()


def test_a_comparison_passes_or_fails_by_its_condition(vidtags: Any, evaluated: Path) -> None:
    both = (f"{evaluated}:embedded", f"{evaluated}:sure-only")
    passed = vidtags("evaluate", "compare", *both, "--fail-if", "macro_f1 < -0.5")
    assert passed.code == 0
    failed = vidtags("evaluate", "compare", *both, "--fail-if", "coverage < 0", "--fail-if", "macro_f1 < -0.5")
    assert failed.code == 4
    assert "failed: coverage < 0 (it is -" in failed.stdout
    document = vidtags("evaluate", "compare", *both, "--fail-if", "coverage < 0", "--json").document
    assert document["clips"] == 60
    assert document["failed"] == ["coverage < 0"]
    assert document["differences"]["coverage"]["p"] <= 1


def test_a_condition_that_names_no_metric_is_the_users_mistake(vidtags: Any, evaluated: Path) -> None:
    both = (f"{evaluated}:embedded", f"{evaluated}:sure-only")
    ran = vidtags("evaluate", "compare", *both, "--fail-if", "f2 < 0")
    assert (ran.code, "There is no metric 'f2'" in ran.stderr) == (2, True)


def test_a_running_service_is_measured_and_failures_are_counted(
    vidtags: Any, fakes: str, rows: Path, script: Any, tmp_path: Path
) -> None:
    run = f"served=classifier={fakes},captioner={fakes},max_tags=5"
    ran = vidtags("evaluate", rows, "--run", run, "--out", tmp_path / "out", "--cache", tmp_path / "c.sqlite", "--json")
    assert ran.code == 0, ran.stderr
    found = ran.document["runs"]["served"]
    assert found["counts"] | {"clips": 2, "failed": 1, "unknown_labels": 1} == found["counts"]
    assert found["failures"][0]["reason"] == "VIDEO_NOT_FOUND"
    assert ran.document["dataset"]["faults"]["counts"] == {"duplicate_id": 1}
    assert "1 of 2 clips failed" in ran.document["warnings"][0]
    asked = [one for one in script.requests if isinstance(one, classifier_pb2.ClassifyRequest) and one.summary]
    assert [(one.options.all_scores, one.options.max_tags) for one in asked] == [(True, 5)]


def test_what_was_answered_is_not_asked_again(vidtags: Any, fakes: str, tmp_path: Path, script: Any) -> None:
    rows = tmp_path / "rows.jsonl"
    rows.write_text(json.dumps({"id": "a", "summary": "A dog.", "expected": ["happy"]}))
    arguments = ("evaluate", rows, "--out", tmp_path / "out", "--cache", tmp_path / "c.sqlite", "--json", "--run")
    for run in (f"one=classifier={fakes}", f"other=classifier={fakes}"):
        assert vidtags(*arguments, run).code == 0
    asked = [one for one in script.requests if isinstance(one, classifier_pb2.ClassifyRequest) and one.summary]
    assert len(asked) == 1


def test_a_service_that_is_gone_ends_it_with_3(vidtags: Any, nobody: str, rows: Path, tmp_path: Path) -> None:
    run = f"served=classifier={nobody},captioner={nobody}"
    ran = vidtags("evaluate", rows, "--run", run, "--out", tmp_path / "out", "--cache", tmp_path / "c.sqlite")
    assert ran.code == 3
    assert "cannot be reached" in ran.stderr


def test_when_every_clip_fails_so_does_the_evaluation(vidtags: Any, fakes: str, tmp_path: Path, script: Any) -> None:
    rows = tmp_path / "rows.jsonl"
    rows.write_text(json.dumps({"id": "a", "clip": "gone.mp4", "expected": ["happy"]}))
    run = f"served=classifier={fakes},captioner={fakes}"
    ran = vidtags("evaluate", rows, "--run", run, "--out", tmp_path / "out", "--cache", tmp_path / "c.sqlite")
    assert ran.code == 4
    assert "1 of 1 clips failed" in ran.stdout


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ((SUMMARIES,), "say what to measure with --run"),
        ((SUMMARIES, "--run", "a=", "--run", "a="), "a name of its own"),
        ((SUMMARIES, "--run", "a=classifer=x"), "there is no 'classifer'"),
        ((SUMMARIES, "--run", "a=", "--record", "x", "--replay", "y"), "not both"),
        (("absent.jsonl", "--run", "a="), "no such file"),
        ((SUMMARIES, "--run", "a=", "--replay", SUMMARIES), "is no line of a recording"),
        ((SUMMARIES, "--run", "a=frames=9", "--replay", RECORDED / "music-moods.jsonl"), "does not hold run 'a'"),
    ],
)
def test_mistakes_are_one_line_and_2(vidtags: Any, tmp_path: Path, arguments: tuple[Any, ...], message: str) -> None:
    ran = vidtags("evaluate", *arguments, "--out", tmp_path / "out", "--cache", tmp_path / "c.sqlite")
    assert ran.code == 2
    assert message in ran.stderr
    assert len(ran.stderr.splitlines()) == 1


def test_answers_that_were_made_elsewhere_are_measured(vidtags: Any, tmp_path: Path) -> None:
    answers = tmp_path / "answers.jsonl"
    lines: list[dict[str, Any]] = [
        {"id": "harbour-1", "tags": [{"id": "nature", "confidence": 0.8}], "scores": {"nature": 0.8, "sad": "NaN"}},
        {"id": "harbour-2", "error": {"reason": "CONTENT_REFUSED", "message": "no"}},
    ]
    answers.write_text("\n".join(map(json.dumps, lines)))
    run = f"elsewhere=answers={answers},taxonomy=music-moods@1.0.0"
    ran = vidtags("evaluate", SUMMARIES, "--run", run, "--out", tmp_path / "out", "--cache", tmp_path / "c", "--json")
    assert ran.code == 0, ran.stderr
    found = ran.document["runs"]["elsewhere"]
    assert found["counts"]["failed"] == 59
    assert found["faults"]["counts"] == {"bad_score": 1}


def test_a_calibration_is_written_in_versions_with_what_it_does_held_out(vidtags: Any, tmp_path: Path) -> None:
    arguments = ("--run", "taxonomy=music-moods@1.0.0,classifier=embedded", "--replay", RECORDED / "music-moods.jsonl")
    ran = vidtags("calibrate", SUMMARIES, *arguments, "--out", tmp_path / "own", "--keep")
    assert ran.code == 0, ran.stderr
    assert "held out" in ran.stdout
    again = vidtags("calibrate", SUMMARIES, *arguments, "--out", tmp_path / "own", "--keep", "--json").document
    assert [file.stem[-3:] for file in sorted((tmp_path / "own").glob("*.json"))] == ["-v1", "-v2"]
    assert again["before"].keys() == again["held_out"].keys() >= {"ece", "brier", "macro_f1"}
    assert again["id"].startswith("music-moods@1.0.0/embedded/all-MiniLM-L6-v2/v2#")


def test_too_few_labels_are_refused_in_words(vidtags: Any, fakes: str, rows: Path, tmp_path: Path) -> None:
    ran = vidtags(
        "calibrate",
        rows,
        "--run",
        f"classifier={fakes},captioner={fakes}",
        "--out",
        tmp_path,
        "--cache",
        tmp_path / "c",
    )
    assert ran.code == 4
    assert "too few labels for a calibration: 1 labelled clips where 40 are needed" in ran.stderr
    assert not list(tmp_path.glob("*.json"))


def test_a_failing_classifier_is_told_for_what_it_said(vidtags: Any, fakes: str, rows: Path, script: Any) -> None:
    script.refuse = failures.UnknownTaxonomy("No taxonomy is called mods.", field="taxonomy_id")
    ran = vidtags("evaluate", rows, "--run", f"a=classifier={fakes},captioner={fakes},taxonomy=mods")
    assert ran.code in (2, 4)
    assert "No taxonomy is called mods." in ran.stderr

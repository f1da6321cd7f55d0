"""`vidtags taxonomies`."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from vidtomusictags.rpc import failures

GOOD = "id: mine\nversion: 1.0.0\ntags:\n  - {id: calm, label: Calm, description: Still water and slow clouds.}\n"


@pytest.fixture
def good(tmp_path: Path) -> Path:
    path = tmp_path / "good.yaml"
    path.write_text(GOOD)
    return path


def test_the_service_is_asked_for_its_list(vidtags: Any) -> None:
    (entry,) = vidtags("taxonomies", "list", "--json").document
    assert (entry["id"], entry["version"], entry["is_default"]) == ("music-moods", "1.0.0", True)
    assert "Music moods (default)" in vidtags("taxonomies", "list").stdout


def test_the_packaged_ones_need_no_service(vidtags: Any, nobody: str) -> None:
    entries = vidtags("taxonomies", "list", "--local", "--json", "--classifier", nobody).document
    assert [entry["id"] for entry in entries] == ["music-moods", "production-music"]


def test_one_is_shown_from_the_service(vidtags: Any) -> None:
    ran = vidtags("taxonomies", "show", "other")
    assert "Light and warm." in ran.stdout


def test_what_is_shown_as_yaml_passes_the_check(vidtags: Any, tmp_path: Path) -> None:
    shown = vidtags("taxonomies", "show", "music-moods", "--local", "--yaml")
    (tmp_path / "copy.yaml").write_text(shown.stdout)
    assert vidtags("taxonomies", "check", tmp_path / "copy.yaml").code == 0


def test_one_is_shown_as_json(vidtags: Any, good: Path) -> None:
    document = vidtags("taxonomies", "show", good, "--json").document
    assert (document["id"], document["tags"][0]["label"]) == ("mine", "Calm")


def test_an_unknown_one_is_the_users_mistake(vidtags: Any, script: Any) -> None:
    script.refuse = failures.UnknownTaxonomy("No taxonomy is called nope.")
    ran = vidtags("taxonomies", "show", "nope")
    assert (ran.code, ran.stderr) == (2, "vidtags: No taxonomy is called nope.\n")
    assert vidtags("taxonomies", "show", "nope", "--local").code == 2


def test_a_good_file_passes_the_check(vidtags: Any, good: Path) -> None:
    ran = vidtags("taxonomies", "check", good)
    assert (ran.code, ran.stdout) == (0, f"{good}: mine 1.0.0, 1 tags, no faults\n")


def test_every_fault_is_told_with_file_line_and_tag(vidtags: Any, good: Path, tmp_path: Path) -> None:
    bad = tmp_path / "bad.yaml"
    bad.write_text(GOOD + "  - {id: calm, label: Again}\n  - {id: loud, label: Loud, threshold: 1.5}\n")
    ran = vidtags("taxonomies", "check", bad, good)
    assert ran.code == 2
    first, second, third = ran.stdout.splitlines()
    assert first.startswith(f"{bad}:5: tag calm: ")
    assert second.startswith(f"{bad}:6: tag loud: ")
    assert third.endswith("no faults")


def test_warnings_are_told_and_pass(vidtags: Any, tmp_path: Path) -> None:
    terse = tmp_path / "terse.yaml"
    terse.write_text("id: terse\nversion: 1.0.0\ntags:\n  - {id: calm, label: Calm}\n")
    ran = vidtags("taxonomies", "check", terse)
    assert ran.code == 0
    assert ran.stdout.startswith(f"{terse}:4: warning: tag calm: ")
    (report,) = vidtags("taxonomies", "check", terse, "--json").document
    assert report["faults"] == [] and report["warnings"][0]["line"] == 4


def test_a_missing_file_is_the_users_mistake(vidtags: Any, tmp_path: Path) -> None:
    ran = vidtags("taxonomies", "check", tmp_path / "none.yaml")
    assert (ran.code, ran.stderr.count("\n")) == (2, 1)

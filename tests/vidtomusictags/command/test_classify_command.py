"""`vidtags classify`."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from vidtomusictags.rpc import failures


def test_a_summary_is_tagged_by_the_service(vidtags: Any, script: Any) -> None:
    ran = vidtags("classify", "--summary", "A dog.", "--taxonomy", "moods", "--max-tags", "2", "--json")
    assert ran.code == 0
    assert (script.requests[0].summary, script.requests[0].taxonomy_id) == ("A dog.", "moods")
    assert script.requests[0].options.max_tags == 2
    assert list(ran.document)[:3] == ["tags", "key_information", "reasoning"]


def test_a_summary_may_come_from_stdin(vidtags: Any, script: Any) -> None:
    vidtags("classify", "--summary", "-", stdin="A dog.\n")
    assert script.requests[0].summary == "A dog."


def test_people_see_tags_and_reasons(vidtags: Any) -> None:
    ran = vidtags("classify", "--summary", "A dog.")
    assert "Happy" in ran.stdout and "The meadow is sunny." in ran.stdout


@pytest.mark.parametrize("arguments", [[], ["--summary", "a", "--jsonl", "b"]])
def test_there_is_one_input(vidtags: Any, arguments: list[str]) -> None:
    ran = vidtags("classify", *arguments)
    assert ran.code == 2
    assert ran.stderr == "vidtags: give either --summary or --jsonl\n"


def test_each_line_gives_a_line_in_order(vidtags: Any, script: Any, tmp_path: Path) -> None:
    file = tmp_path / "in.jsonl"
    entries = [{"id": "b", "summary": "A cat."}, {"id": 7, "summary": "A dog.", "taxonomy": "own"}]
    file.write_text("\n\n".join(json.dumps(entry) for entry in entries) + "\n")
    ran = vidtags("classify", "--jsonl", file, "--taxonomy", "moods")
    assert ran.code == 0
    assert [line["id"] for line in ran.lines] == ["b", 7]
    assert [tag["id"] for tag in ran.lines[1]["tags"]] == ["happy", "calm"]
    assert ran.lines[1]["tags"][0]["evidence"] == [{"start": 29, "end": 41, "quote": "sunny meadow"}]
    assert [request.taxonomy_id for request in script.requests] == ["moods", "own"]


def test_a_bad_line_gives_its_error_and_the_others_go_on(vidtags: Any) -> None:
    lines = ['{"id": "a", "summary": "A cat."}', "no json", '["x"]', '{"id": "d"}', '{"id": "e", "summary": "A dog."}']
    ran = vidtags("classify", "--jsonl", "-", stdin="\n".join(lines))
    assert ran.code == 4
    assert [line["id"] for line in ran.lines] == ["a", None, None, "d", "e"]
    assert [line["error"]["line"] for line in ran.lines if "error" in line] == [2, 3, 4]
    assert '"summary" must be a text' in ran.lines[3]["error"]["message"]


def test_a_line_that_is_no_text_gives_its_error_and_the_others_go_on(vidtags: Any, tmp_path: Path) -> None:
    file = tmp_path / "in.jsonl"
    file.write_bytes(
        b'{"id": 1, "summary": "A dog."}\n{"id": 2, "summary": "\xff"}\n'
        b'{"id": "\\ud800", "summary": "A dog."}\n{"id": 4, "summary": "\\ud800"}\n'
    )
    ran = vidtags("classify", "--jsonl", file)
    documents = [json.loads(line) for line in ran.stdout.splitlines()]
    assert [document["id"] for document in documents] == [1, 2, "\ud800", 4]
    assert [document.get("error", {}).get("reason") for document in documents] == [None, "INVALID_REQUEST"] * 2
    assert ran.code == 4


def test_a_summary_that_is_no_text_is_the_users_mistake(vidtags: Any) -> None:
    ran = vidtags("classify", "--summary", "-", stdin=b"\xff\xfe")
    assert (ran.code, ran.stderr) == (2, "vidtags: the summary is not UTF-8 text; save it with that encoding\n")


def test_a_line_that_the_service_refuses_gives_its_error(vidtags: Any, script: Any) -> None:
    script.refuse = failures.SummaryInvalid("A summary has 1 to 20,000 characters.", field="summary")
    ran = vidtags("classify", "--jsonl", "-", stdin='{"id": "a", "summary": ""}')
    assert ran.code == 4
    assert ran.lines[0]["error"] == {
        "reason": "SUMMARY_INVALID",
        "message": "A summary has 1 to 20,000 characters.",
        "field": "summary",
        "line": 1,
    }


def test_a_service_that_is_not_there_ends_the_run(vidtags: Any, nobody: str) -> None:
    ran = vidtags("classify", "--jsonl", "-", "--classifier", nobody, stdin='{"id": "a", "summary": "A dog."}')
    assert (ran.code, ran.stdout) == (3, "")
    assert "The classifier cannot be reached" in ran.stderr


def test_an_engine_runs_in_this_process(vidtags: Any, script: Any) -> None:
    lines = '{"id": 1, "summary": "A deer walks through a forest by a river."}\n{"id": 2, "summary": ""}'
    ran = vidtags("classify", "--jsonl", "-", "--engine", "embedded", stdin=lines)
    assert script.requests == []
    assert ran.code == 4
    first, second = ran.lines
    assert "nature" in [tag["id"] for tag in first["tags"]]
    assert first["provenance"]["engine"] == "embedded"
    assert second["error"]["reason"] == "SUMMARY_INVALID"


def test_an_engine_reads_the_users_taxonomy(vidtags: Any, tmp_path: Path) -> None:
    file = tmp_path / "mine.yaml"
    file.write_text(
        "id: mine\nversion: 1.0.0\ntags:\n"
        "  - {id: water, label: Water, description: 'Rivers, lakes and the sea.', examples: [A river flows by.]}\n"
        "  - {id: fire, label: Fire, description: 'Flames and burning houses.', examples: [A house burns.]}\n"
    )
    summary = "A wide river flows slowly towards the sea."
    ran = vidtags("classify", "--summary", summary, "--engine", "embedded", "--taxonomy", file, "--json")
    assert ran.code == 0
    assert [tag["id"] for tag in ran.document["tags"]] == ["water"]
    assert ran.document["taxonomy"]["id"] == "mine"


def test_an_unknown_engine_is_told_with_those_that_exist(vidtags: Any) -> None:
    ran = vidtags("classify", "--summary", "A dog.", "--engine", "emboldened")
    assert ran.code == 2
    assert "emboldened" in ran.stderr and "embedded" in ran.stderr and ran.stderr.count("\n") == 1


def test_an_unknown_taxonomy_is_told_with_those_that_exist(vidtags: Any) -> None:
    ran = vidtags("classify", "--summary", "A dog.", "--engine", "embedded", "--taxonomy", "music-mods")
    assert ran.code == 2
    assert "music-moods" in ran.stderr


def test_an_engine_without_its_key_says_so(vidtags: Any) -> None:
    ran = vidtags("classify", "--summary", "A dog.", "--engine", "instructor")
    assert ran.code == 2
    assert "key" in ran.stderr and ran.stderr.count("\n") == 1

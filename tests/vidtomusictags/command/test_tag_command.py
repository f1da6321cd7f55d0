"""`vidtags tag`."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from vidtomusictags.rpc import failures

TAXONOMY = """
id: mine
version: 1.0.0
tags:
  - {id: calm, label: Calm, description: Still water and slow clouds.}
"""


def test_one_video_gives_one_document_and_nothing_else_on_stdout(vidtags: Any, clip: Path) -> None:
    ran = vidtags("tag", clip, "--json")
    assert ran.code == 0
    assert list(ran.document)[:4] == ["file", "request_id", "summary", "statements"]
    assert ran.document["file"] == str(clip)
    assert [tag["id"] for tag in ran.document["tags"]] == ["happy", "calm"]
    assert "sampling" in ran.stderr


def test_the_document_is_the_same_every_time(vidtags: Any, clip: Path) -> None:
    assert vidtags("tag", clip, "--json").stdout == vidtags("tag", clip, "--json", "-q").stdout


def test_quiet_writes_nothing_to_stderr(vidtags: Any, clip: Path) -> None:
    assert vidtags("tag", clip, "--json", "--quiet").stderr == ""


def test_every_option_reaches_the_gateway(vidtags: Any, script: Any, clip: Path) -> None:
    options = "--taxonomy moods@2.0.0 --include a,b --include c --exclude d --max-tags 3 --min-confidence 0.5"
    sampling = "--sampler notebook --frames 12 --start 1.5 --end 4 --prompt scene"
    assert vidtags("tag", clip, *options.split(), *sampling.split()).code == 0
    sent = script.requests[0].options
    assert sent.taxonomy_id == "moods@2.0.0"
    assert list(sent.classify.include) == ["a", "b", "c"]
    assert list(sent.classify.exclude) == ["d"]
    assert (sent.classify.max_tags, sent.classify.min_confidence) == (3, 0.5)
    assert (sent.sampling.sampler, sent.sampling.frames) == ("notebook", 12)
    assert (sent.sampling.range.start.ToMilliseconds(), sent.sampling.range.end.ToMilliseconds()) == (1500, 4000)
    assert sent.prompt.name == "scene"


def test_a_taxonomy_file_is_checked_here_and_sent_along(vidtags: Any, script: Any, clip: Path, tmp_path: Path) -> None:
    file = tmp_path / "mine.yaml"
    file.write_text(TAXONOMY)
    assert vidtags("tag", clip, "--taxonomy", file).code == 0
    assert script.requests[0].options.inline_taxonomy.tags[0].label == "Calm"


def test_a_faulty_taxonomy_file_is_not_sent(vidtags: Any, script: Any, clip: Path, tmp_path: Path) -> None:
    file = tmp_path / "mine.yaml"
    file.write_text(TAXONOMY + "  - {id: calm, label: Again}\n")
    ran = vidtags("tag", clip, "--taxonomy", file)
    assert ran.code == 2
    assert f"{file}:6: tag calm" in ran.stderr
    assert script.requests == []


def test_stdin_is_uploaded(vidtags: Any, script: Any) -> None:
    ran = vidtags("tag", "-", "--json", stdin=b"\x00\xff video")
    assert ran.document["file"] == "stdin"
    assert script.uploads == [b"\x00\xff video"]


def test_stdin_cannot_be_two_videos(vidtags: Any, script: Any) -> None:
    ran = vidtags("tag", "-", "-", stdin=b"video")
    assert (ran.code, script.requests) == (2, [])
    assert ran.stderr == "vidtags: stdin can be read only once; name - once\n"


def test_a_uri_is_left_to_the_gateway(vidtags: Any, script: Any) -> None:
    assert vidtags("tag", "file:///clips/a.mp4").code == 0
    assert script.requests[0].uri == "file:///clips/a.mp4"


def test_the_query_of_a_url_is_a_secret_that_only_the_gateway_sees(vidtags: Any, script: Any) -> None:
    uri = "https://cdn.example.com/a.mp4?X-Amz-Signature=topsecret"
    done = vidtags("tag", uri, "--json")
    assert script.requests[0].uri == uri
    assert done.document["file"] == "https://cdn.example.com/a.mp4"
    script.fail = failures.UriRefused("Not from there.", field="uri")
    failed = vidtags("tag", uri, "--json")
    assert "topsecret" not in done.stdout + done.stderr + failed.stdout + failed.stderr


def test_several_videos_give_their_results_in_order(vidtags: Any, tmp_path: Path) -> None:
    names = [str(tmp_path / f"{number}.mp4") for number in (2, 1, 3)]
    for name in names:
        Path(name).write_bytes(b"video")
    ran = vidtags("tag", *names, "--json")
    assert ran.code == 0
    assert [one["file"] for one in ran.document["results"]] == names


def test_a_video_that_fails_does_not_stop_the_others(vidtags: Any, script: Any, clip: Path, tmp_path: Path) -> None:
    bad = tmp_path / "notes.mp4"
    bad.write_bytes(b"notes")
    script.fail, script.fail_named = failures.VideoUnreadable("The file is not a video.", field="uri"), b"notes"
    missing = str(tmp_path / "missing.mp4")
    ran = vidtags("tag", bad, missing, clip, "--json", "-q")
    assert ran.code == 4
    first, second, third = ran.document["results"]
    error = {"reason": "VIDEO_UNREADABLE", "message": "The file is not a video.", "field": "uri"}
    assert first == {"file": str(bad), "error": error}
    assert second["error"]["reason"] == "FILE_UNREADABLE"
    assert third["summary"].startswith("A large rabbit")
    assert ran.stderr.splitlines() == [
        f"vidtags: {bad}: The file is not a video.",
        f"vidtags: {missing}: there is no such file or directory",
    ]


@pytest.mark.parametrize(
    ("failure", "code"),
    [
        (failures.VideoUnreadable("It is no video."), 4),
        (failures.StreamsFull("All slots are taken.", retry_after_seconds=1), 4),
        (failures.DeadlineExceeded("It took too long."), 4),
        (failures.UpstreamUnavailable("The captioner cannot be reached."), 3),
        (failures.Draining("The server is shutting down."), 3),
        (failures.UnknownTaxonomy("No taxonomy is called that."), 2),
        (failures.UnknownSampler("No sampler is called that."), 2),
        (failures.UnknownPrompt("No prompt is called that."), 2),
    ],
)
def test_the_exit_code_tells_whose_move_it_is(
    vidtags: Any, script: Any, clip: Path, failure: failures.Failure, code: int
) -> None:
    script.refuse = failure
    ran = vidtags("tag", clip, "--json", "-q")
    assert ran.code == code
    assert ran.document["error"]["reason"] == failure.reason
    assert failure.message in ran.stderr and ran.stderr.count("\n") == 1


def test_a_gateway_that_is_not_there_is_exit_code_3(vidtags: Any, clip: Path, nobody: str) -> None:
    ran = vidtags("tag", clip, clip, "--gateway", nobody, "-q")
    assert ran.code == 3
    assert f"The gateway cannot be reached at {nobody}" in ran.stderr
    assert "vidtags up" in ran.stderr


def test_a_missing_file_is_the_users_mistake(vidtags: Any, script: Any, tmp_path: Path) -> None:
    ran = vidtags("tag", tmp_path / "none.mp4")
    assert (ran.code, script.requests) == (2, [])
    assert ran.stderr == f"vidtags: {tmp_path}/none.mp4: there is no such file or directory\n"
    assert vidtags("tag", tmp_path).stderr == f"vidtags: {tmp_path}: is a directory; name a file\n"


def test_two_prompts_are_the_users_mistake(vidtags: Any, clip: Path) -> None:
    ran = vidtags("tag", clip, "--prompt", "scene", "--prompt-text", "What?")
    assert ran.code == 2
    assert "not both" in ran.stderr


def test_people_see_all_of_it_in_80_columns(vidtags: Any, clip: Path) -> None:
    ran = vidtags("tag", clip)
    assert ran.code == 0
    for text in (
        "A large rabbit wakes up",
        "Happy",
        "0.80",
        "“sunny meadow”",
        "The meadow is sunny.",
        "middle of span 2 of 2",
        "Only 2 frames are there.",
        "fake-captioner",
        "fake-classifier",
    ):
        assert text in ran.stdout
    assert max(len(line) for line in ran.stdout.splitlines()) <= 80
    assert "\x1b" not in ran.stdout + ran.stderr

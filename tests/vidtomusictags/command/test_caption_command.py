"""`vidtags caption`."""

from __future__ import annotations

from pathlib import Path
from typing import Any


def test_the_captioner_gets_frames_as_it_wants_them(vidtags: Any, script: Any, film: Path) -> None:
    ran = vidtags("caption", film, "--prompt", "scene", "--json")
    assert ran.code == 0
    config, batch, end = script.requests
    assert (config.frame_size.width, config.frame_size.height) == (114, 64)
    assert config.prompt.name == "scene"
    assert len(batch.frames.frames) == end.end_of_input.frame_count == 4
    assert all(frame.data.startswith(b"\xff\xd8") for frame in batch.frames.frames)


def test_the_document_has_text_and_manifest(vidtags: Any, film: Path) -> None:
    document = vidtags("caption", film, "--frames", "2", "--json").document
    assert document["file"] == str(film)
    assert document["text"].startswith("A large rabbit")
    assert len(document["manifest"]["frames"]) == 2


def test_people_see_the_summary_and_the_frames(vidtags: Any, film: Path) -> None:
    ran = vidtags("caption", film)
    assert "A large rabbit wakes up" in ran.stdout and "middle of span 4 of 4" in ran.stdout


def test_a_captioner_that_is_not_there_is_exit_code_3(vidtags: Any, film: Path, nobody: str) -> None:
    ran = vidtags("caption", film, "--captioner", nobody)
    assert ran.code == 3
    assert "The captioner cannot be reached" in ran.stderr


def test_a_missing_file_is_the_users_mistake(vidtags: Any, tmp_path: Path) -> None:
    assert vidtags("caption", tmp_path / "none.mp4").code == 2

"""How the command ends: one line, an exit code, and a traceback only where it is asked for."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from vidtomusictags.client.blocking import Client
from vidtomusictags.command.endings import ending_of
from vidtomusictags.rpc import failures
from vidtomusictags.rpc.status import RemoteFailure


@pytest.mark.parametrize(
    "arguments", [["--bogus"], ["tag"], ["tagg"], ["tag", "a.mp4", "--frames", "many"], ["serve", "cook"]]
)
def test_wrong_usage_is_one_line_that_points_to_the_help(vidtags: Any, arguments: list[str]) -> None:
    ran = vidtags(*arguments)
    assert (ran.code, ran.stdout) == (2, "")
    assert ran.stderr.startswith("vidtags: ") and ran.stderr.count("\n") == 1
    assert "--help`" in ran.stderr


def test_without_a_command_the_help_is_shown(vidtags: Any) -> None:
    ran = vidtags()
    assert ran.code == 0
    assert "classify" in ran.stdout


@pytest.mark.parametrize("place", [0, 1, 2])
def test_debug_adds_the_traceback_wherever_it_stands(vidtags: Any, tmp_path: Path, place: int) -> None:
    arguments: list[Any] = ["tag", tmp_path / "none.mp4"]
    arguments.insert(place, "--debug")
    ran = vidtags(*arguments)
    assert ran.code == 2
    assert "Traceback" in ran.stderr
    assert ran.stderr.splitlines()[-1] == f"vidtags: {tmp_path}/none.mp4: there is no such file or directory"


def test_what_nobody_foresaw_is_one_line_too(vidtags: Any, clip: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_: Any, **__: Any) -> None:
        raise ZeroDivisionError("division by zero")

    monkeypatch.setattr(Client, "tag", broken)
    ran = vidtags("tag", clip, "-q")
    assert ran.code == 4
    line = f"vidtags: {clip}: ZeroDivisionError: division by zero (unexpected; --debug shows where)\n"
    assert ran.stderr == line


def test_a_message_from_elsewhere_cannot_write_to_the_terminal(vidtags: Any, script: Any, clip: Path) -> None:
    script.refuse = failures.VideoUnreadable("It is \x1b[31mred\x07.")
    assert "\x1b" not in vidtags("tag", clip).stderr


@pytest.mark.parametrize("arguments", [["tag", "-"], ["sample", "-", "--json"], ["classify", "--summary", "-"]])
def test_a_stdin_that_was_closed_is_the_users_mistake(
    vidtags: Any, monkeypatch: pytest.MonkeyPatch, arguments: list[str]
) -> None:
    monkeypatch.setattr("vidtomusictags.command.stdin.sys", SimpleNamespace(stdin=None))
    ran = vidtags(*arguments, "-q") if arguments[0] != "classify" else vidtags(*arguments)
    assert ran.code == 2
    assert ran.stderr == "vidtags: there is no stdin to read - from; pipe something in, or name a file\n"


def test_every_failure_has_a_documented_exit_code() -> None:
    for kind in set(failures.Failure.__subclasses__()) - {RemoteFailure}:
        assert ending_of(kind("It failed.")).exit_code in (2, 3, 4)


def test_the_exit_codes_are_documented(vidtags: Any) -> None:
    shown = " ".join(vidtags("--help").stdout.split())
    assert "Exit codes: 0 done; 2 your mistake" in shown
    assert "3 a service cannot be reached" in shown


@pytest.mark.parametrize(
    "command",
    [
        "tag", "try", "caption", "classify", "sample", "up", "health", "taxonomies list", "taxonomies show",
        "taxonomies check", "serve captioner", "serve classifier", "serve gateway",
    ],
)  # fmt: skip
def test_every_command_has_examples_and_fits_80_columns(vidtags: Any, command: str) -> None:
    ran = vidtags(*command.split(), "--help")
    assert ran.code == 0
    _, _, examples = ran.stdout.partition("Examples:")
    assert f"vidtags {command}" in examples
    assert max(len(line) for line in ran.stdout.splitlines()) <= 80


def test_a_service_lists_its_settings(vidtags: Any) -> None:
    shown = vidtags("serve", "gateway", "--help").stdout
    assert "GATEWAY_MAX_UPLOAD_BYTES" in shown and "Largest upload." in shown


def run_without(library: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    code = f"""
import sys
class Blocker:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] == {library!r}:
            raise ModuleNotFoundError(f"No module named {{name!r}}", name=name)
sys.meta_path.insert(0, Blocker())
sys.argv = ["vidtags", *{list(arguments)!r}]
from vidtomusictags.command import main
main()
"""
    return subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)


@pytest.mark.parametrize(
    ("library", "arguments", "extra"),
    [
        ("typer", ["--version"], "cli"),
        ("rich", ["--version"], "cli"),
        ("av", ["sample", __file__, "--json", "-q"], "gateway"),
        ("yaml", ["taxonomies", "list", "--local"], "classifier"),
        ("onnxruntime", ["classify", "--summary", "A dog.", "--engine", "embedded"], "embedded-classifier"),
        ("structlog", ["serve", "classifier"], "classifier"),
    ],
)
def test_a_missing_library_is_told_with_the_command_that_brings_it(
    library: str, arguments: list[str], extra: str
) -> None:
    ran = run_without(library, *arguments)
    assert ran.returncode == 2
    assert ran.stderr.count("\n") == 1
    assert f"pip install 'vidtomusictags[{extra}]'" in ran.stderr

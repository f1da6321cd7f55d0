"""The command, run in this process against the fakes, and the clip that it is given."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from vidtomusictags.command.app import app


@dataclass(frozen=True)
class Ran:
    """What came of a run of the command."""

    code: int
    stdout: str
    stderr: str

    @property
    def document(self) -> Any:
        """stdout as one JSON document."""
        return json.loads(self.stdout)

    @property
    def lines(self) -> list[Any]:
        """stdout as one JSON document a line."""
        return [json.loads(line) for line in self.stdout.splitlines()]


Vidtags = Callable[..., Ran]


@pytest.fixture
def vidtags(fakes: str, monkeypatch: pytest.MonkeyPatch) -> Vidtags:
    """Runs `vidtags` with these arguments, 80 columns and no terminal; every service is a fake."""
    for name in os.environ:
        if name.startswith(("VIDTAGS_", "CAPTIONER_", "CLASSIFIER_", "GATEWAY_")):
            monkeypatch.delenv(name)
    monkeypatch.setenv("COLUMNS", "80")
    for name in ("GATEWAY", "CAPTIONER", "CLASSIFIER"):
        monkeypatch.setenv(f"VIDTAGS_{name}", fakes)

    def run(*arguments: str | Path, stdin: bytes | str | None = None) -> Ran:
        result = CliRunner().invoke(app, [str(argument) for argument in arguments], input=stdin)
        return Ran(result.exit_code, result.stdout, result.stderr)

    return run


@pytest.fixture
def clip(tmp_path: Path) -> Path:
    """Bytes that only a fake would call a video."""
    path = tmp_path / "clip.mp4"
    path.write_bytes(b"moving pictures")
    return path

"""The contract: well-formed, only ever added to, and equal to the code that was generated from it."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
BUF = Path(sys.executable).parent / "buf"


def run(*command: str | Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [str(part) for part in command], cwd=ROOT, capture_output=True, check=False, text=True, timeout=60
    )


def test_the_protos_are_well_formed_and_every_part_is_commented() -> None:
    """STANDARD and COMMENTS: each message, field, enum, value, service and rpc says what it is."""
    lint = run(BUF, "lint")
    assert lint.returncode == 0, lint.stdout + lint.stderr


def test_the_protos_are_formatted() -> None:
    difference = run(BUF, "format", "-d", "protos")
    assert (difference.returncode, difference.stdout) == (0, ""), difference.stderr


def test_nothing_is_taken_from_the_contract() -> None:
    if run("git", "rev-parse", "--verify", "--quiet", "refs/heads/main").returncode != 0:
        pytest.skip("there is no branch main here to compare the contract with")
    breaking = run(BUF, "breaking", "--against", ".git#branch=main")
    assert breaking.returncode == 0, breaking.stdout + breaking.stderr


def test_a_removed_field_would_be_noticed(tmp_path: Path) -> None:
    """The check above can fail."""
    for name in ("protos", "third_party"):
        shutil.copytree(ROOT / name, tmp_path / name)
    shutil.copy(ROOT / "buf.yaml", tmp_path)
    proto = tmp_path / "protos/vidtomusictags/media/v1/media.proto"
    text = proto.read_text()
    assert "  bytes data = 3;\n" in text
    proto.write_text(text.replace("  bytes data = 3;\n", ""))
    breaking = subprocess.run(
        [BUF, "breaking", "--against", ROOT], cwd=tmp_path, capture_output=True, check=False, text=True, timeout=60
    )
    assert breaking.returncode != 0
    assert 'field "3" with name "data"' in breaking.stdout


def test_the_committed_code_is_what_the_protos_generate(tmp_path: Path) -> None:
    generated = run(sys.executable, ROOT / "protos" / "generate.py", "--into", tmp_path)
    assert generated.returncode == 0, generated.stderr
    fresh = {path.relative_to(tmp_path): path.read_text() for path in tmp_path.rglob("*") if path.is_file()}
    committed = {
        path.relative_to(ROOT): path.read_text()
        for pattern in ("*_pb2.py", "*_pb2.pyi", "*_pb2_grpc.py", "*_pb2_grpc.pyi")
        for path in (ROOT / "vidtomusictags").rglob(pattern)
    }
    assert len(fresh) == 16
    assert sorted(fresh) == sorted(committed)
    assert [str(path) for path in fresh if fresh[path] != committed[path]] == []

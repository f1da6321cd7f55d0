"""The audit of what is locked tells three ends apart: nothing known, something known, and nobody to ask."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parents[2]
LOCK = "one==1.0 \\\n    --hash=sha256:00\ntwo[extra]==2.0.post1 ; sys_platform == 'win32' \\\n    --hash=sha256:00\n"
CLEAN = {"name": "one", "version": "1.0", "vulns": []}
VULNERABLE = {"name": "one", "version": "1.0", "vulns": [{"id": "PYSEC-1", "fix_versions": ["1.1"], "aliases": []}]}
SKIPPED = {"name": "two", "skip_reason": "Dependency not found on PyPI and could not be audited: two (2.0.post1)"}
OTHER_CLEAN = {"name": "two", "version": "2.0.post1", "vulns": []}


def audited(tmp_path: Path, answer: list[Any] | None, required: str = "") -> tuple[int, str]:
    """Exit code and output where pip-audit answers so; None: it fails as it does without a network."""
    lock = tmp_path / "lock.txt"
    lock.write_text(LOCK)
    fake = tmp_path / "pip-audit"
    say = f"cat <<'ANSWER'\n{json.dumps({'dependencies': answer})}\nANSWER"
    fail = "echo 'ConnectionError: no route to host' >&2; exit 1"
    fake.write_text(f"#!/bin/sh\n{fail if answer is None else say}\n")  # the path of Python may hold a space
    fake.chmod(0o755)
    command = [sys.executable, ROOT / "deploy/audit.py", "--pip-audit", fake, lock]
    done = subprocess.run(
        command, env={**os.environ, "AUDIT": required}, capture_output=True, text=True, check=False, timeout=60
    )
    return done.returncode, done.stdout + done.stderr


def test_packages_without_known_vulnerabilities_pass(tmp_path: Path) -> None:
    code, said = audited(tmp_path, [CLEAN, OTHER_CLEAN])
    assert (code, said) == (
        0,
        "audit: 2 of 2 packages of 1 lock files were looked up and free of known vulnerabilities\n",
    )


def test_a_known_vulnerability_fails_with_its_name_its_remedy_and_who_locked_it(tmp_path: Path) -> None:
    code, said = audited(tmp_path, [VULNERABLE, OTHER_CLEAN])
    assert code == 1
    assert "VULNERABLE: one 1.0: PYSEC-1, fixed in 1.1 (locked by lock.txt)" in said


@pytest.mark.parametrize(("required", "code"), [("", 0), ("required", 1)])
@pytest.mark.parametrize(
    ("answer", "reason", "clean"), [([CLEAN, SKIPPED], "not found on PyPI", 1), (None, "no route to host", 0)]
)
def test_what_could_not_be_looked_up_is_told_and_fails_where_an_audit_is_required(
    answer: list[Any] | None, reason: str, clean: int, required: str, code: int, tmp_path: Path
) -> None:
    returned, said = audited(tmp_path, answer, required)
    assert returned == code
    assert f"NOT AUDITED: {2 - clean} of 2 packages" in said
    assert reason in said
    assert f"audit: {clean} of 2 packages" in said


def test_every_lock_file_is_read_whole() -> None:
    """As many pins as there are lines that begin with one."""
    sys.path.insert(0, str(ROOT / "deploy"))
    try:
        from audit import pins
    finally:
        sys.path.remove(str(ROOT / "deploy"))
    for lock in sorted((ROOT / "deploy/requirements").glob("*.txt")):
        lines = [line for line in lock.read_text().splitlines() if line[:1].isalnum()]
        assert len(lines) >= len(pins(lock)) > 0
        assert {line.split("==")[0].split("[")[0] for line in lines} == {name for name, _ in pins(lock)}, lock.name


def test_a_pip_audit_that_cannot_be_run_is_told_without_a_traceback(tmp_path: Path) -> None:
    lock = tmp_path / "lock.txt"
    lock.write_text(LOCK)
    command = [sys.executable, ROOT / "deploy/audit.py", "--pip-audit", tmp_path / "missing", lock]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)
    assert "NOT AUDITED: 2 of 2 packages" in done.stderr
    assert "Traceback" not in done.stderr

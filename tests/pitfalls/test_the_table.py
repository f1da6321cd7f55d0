"""Every pitfall has a remedy that is there, and a test that is there."""

from __future__ import annotations

import ast
import re
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
ROWS = [
    [cell.strip() for cell in line.strip("|").split(" | ")]
    for line in (ROOT / "docs" / "pitfalls.md").read_text().splitlines()
    if line.startswith("| P")
]


def test_all_are_told_of() -> None:
    assert [number for number, *_ in ROWS] == [f"P{number}" for number in range(1, 27)]


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row[0])
def test_its_tests_and_the_files_of_its_remedy_exist(row: list[str]) -> None:
    _, _, remedy, tests = row
    for path in re.findall(r"`([\w./-]+/[\w./-]*)`", remedy):
        assert (ROOT / path).exists(), path
    named = re.findall(r"`([\w/.]+)::(\w+)`", tests)
    assert named or (tests.rstrip(" |") == "none" and remedy.startswith("does not apply")), tests
    for path, name in named:
        assert name in names_in(ROOT / path), f"{path}::{name}"


@cache
def names_in(path: Path) -> frozenset[str]:
    """Names of all functions and methods of a file."""
    tree = ast.parse(path.read_text())
    return frozenset(node.name for node in ast.walk(tree) if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef))

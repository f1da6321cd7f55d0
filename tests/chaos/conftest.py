"""Lets the tests of this folder import what lies beside them, and say at the end what they could not do as meant."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import pytest

sys.path.insert(0, str(Path(__file__).parent))

_NOTES = pytest.StashKey[list[str]]()


@pytest.fixture
def notes(pytestconfig: pytest.Config) -> list[str]:
    """Sentences for whoever reads the end of the run."""
    return pytestconfig.stash.setdefault(_NOTES, [])


def pytest_terminal_summary(terminalreporter: Any, config: pytest.Config) -> None:
    """Prints them, also where nothing failed and `-q` is given."""
    for note in config.stash.get(_NOTES, []):
        terminalreporter.write_line(note, yellow=True)

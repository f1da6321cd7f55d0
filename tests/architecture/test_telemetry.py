"""Nothing of ours reports home, whoever loads it and however."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest


@pytest.mark.parametrize("package", ["captioner_service.engines.embedded", "classifier_service.engines.embedded"])
def test_loading_an_engine_from_python_leaves_no_journal_of_its_use(package: str, tmp_path: Path) -> None:
    places = dict.fromkeys(("HOME", "TMPDIR", "XDG_CACHE_HOME", "XDG_DATA_HOME"), str(tmp_path))
    environment = {**os.environ, **places}
    environment.pop("ORT_DISABLE_TELEMETRY", None)
    code = f"from {package} import EmbeddedEngine; EmbeddedEngine()"
    ran = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=False)
    assert ran.returncode == 0, ran.stderr
    assert list(tmp_path.rglob("*")) == []

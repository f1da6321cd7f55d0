"""docs/settings.md says what the services' settings say."""

from __future__ import annotations

import runpy
from pathlib import Path

DOCS = Path(__file__).parents[2] / "docs"


def test_the_page_of_settings_is_what_the_classes_say() -> None:
    written = runpy.run_path(str(DOCS / "write_settings.py"))["page"]()
    assert (DOCS / "settings.md").read_text() == written, "run: python docs/write_settings.py"
    assert "| `GATEWAY_DECODE_CORES` | `0` |" in written

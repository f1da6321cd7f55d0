"""docs/sources.md says what is so."""

from __future__ import annotations

import re
from pathlib import Path

from gateway.settings import GatewaySettings
from gateway.sources.sources import SCHEMES
from vidtomusictags.rpc import failures

GUIDE = (Path(__file__).parents[3] / "docs" / "sources.md").read_text()
UNITS = {"GiB": 1 << 30}


def test_every_scheme_is_explained() -> None:
    assert {scheme for scheme in SCHEMES if f"| `{scheme}://" in GUIDE} == set(SCHEMES)


def test_settings_and_reasons_that_are_named_exist() -> None:
    named = set(re.findall(r"GATEWAY_(\w+)", GUIDE))
    assert {name for name in named if name.lower() not in GatewaySettings.model_fields} == set()
    reasons = {kind.reason for kind in failures.Failure.__subclasses__()}
    words = re.findall(r"`([A-Z]+_[A-Z_]+)`", GUIDE)
    assert {word for word in words if not word.startswith(("GATEWAY", "AWS", "GOOGLE"))} <= reasons


def test_limits_are_those_of_the_settings() -> None:
    rows = re.findall(r"^\| `GATEWAY_(\w+)` \| (\d+)(?: (\w+))? \|", GUIDE, re.MULTILINE)
    assert len(rows) == 7
    for name, number, unit in rows:
        assert GatewaySettings.model_fields[name.lower()].default == int(number) * UNITS.get(unit, 1), name


def test_retries_are_said_to_help_only_where_they_do() -> None:
    rows = dict(re.findall(r"^\| `(\w+)` \| .* \| (no|yes.*|perhaps) \|$", GUIDE, re.MULTILINE))
    assert {reason for reason, word in rows.items() if word.startswith("yes")} == {
        "REMOTE_UNAVAILABLE",
        "VIDEO_CHANGED",
    }

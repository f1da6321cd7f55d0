"""docs/classifier.md says what is so."""

from __future__ import annotations

import re
from pathlib import Path

from classifier_service.settings import ClassifierSettings
from vidtomusictags.rpc import failures

GUIDE = (Path(__file__).parents[2] / "docs" / "classifier.md").read_text(encoding="utf-8")


def test_every_setting_that_it_names_exists() -> None:
    named = set(re.findall(r"CLASSIFIER_([A-Z_]+)", GUIDE))
    ours = {name for name in named if not name.startswith("LIVE_")}
    assert ours <= {name.upper() for name in ClassifierSettings.model_fields}
    assert len(ours) > 20


def test_every_reason_that_it_names_has_that_code() -> None:
    codes = {kind.reason: kind.code for kind in failures.Failure.__subclasses__()}
    pairs = re.findall(r"`([A-Z_]+)` `([A-Z_]+)`", GUIDE)
    assert len(pairs) >= 8
    assert all(codes[reason] == code for code, reason in pairs)


def test_defaults_that_it_states_are_the_defaults() -> None:
    fields = ClassifierSettings.model_fields
    stated = re.findall(r"`CLASSIFIER_([A-Z_]+)`[^.|`]{0,20}?\((\d+)\)", GUIDE)
    assert {name: int(value) for name, value in stated} == {name: fields[name.lower()].default for name, _ in stated}
    assert {"REASKS", "TRIES", "MOST_TAGS", "SHORTLIST_TAGS", "BREAKER_SECONDS"} <= {name for name, _ in stated}

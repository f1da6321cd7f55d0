"""The guide for music editors says what the check really does."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path

import pytest

from classifier_service.taxonomy_file import inspect_taxonomy
from classifier_service.taxonomy_schema import FacetForm, TagForm, TaxonomyForm

GUIDE = (Path(__file__).parents[2] / "docs" / "taxonomies.md").read_text()
BLOCKS: Sequence[tuple[str, str]] = re.findall(r"^```(yaml|text)\n(.*?)^```$", GUIDE, re.MULTILINE | re.DOTALL)
FILES = [
    (body, BLOCKS[number + 1][1] if BLOCKS[number + 1 :] and BLOCKS[number + 1][0] == "text" else "")
    for number, (language, body) in enumerate(BLOCKS)
    if language == "yaml"
]


def test_the_guide_shows_files() -> None:
    assert [bool(answer) for _, answer in FILES] == [False, False, True, True]


@pytest.mark.parametrize(("file", "answer"), [(file, answer) for file, answer in FILES if answer])
def test_a_file_with_an_answer_gets_exactly_that(file: str, answer: str) -> None:
    inspection = inspect_taxonomy(file, name="house-moods.yaml")
    assert [str(finding) for finding in inspection.faults or inspection.warnings] == answer.splitlines()


@pytest.mark.parametrize("file", [file for file, answer in FILES if not answer])
def test_a_file_without_an_answer_is_sound(file: str) -> None:
    assert [str(fault) for fault in inspect_taxonomy(file, name="house-moods.yaml").faults] == []


def test_every_field_of_the_format_has_a_row() -> None:
    rows = [line.split("|")[1] for line in GUIDE.splitlines() if line.startswith("| `")]
    explained = set(re.findall(r"`(\w+)`", " ".join(rows)))
    assert explained == {name for form in (TaxonomyForm, FacetForm, TagForm) for name in form.model_fields}

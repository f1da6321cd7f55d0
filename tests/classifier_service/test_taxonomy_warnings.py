"""What breaks no rule but weakens a taxonomy."""

from __future__ import annotations

from collections.abc import Callable

import pytest

Findings = Callable[[str | bytes], list[str]]

SOUND = "description: Moments full of laughter."


@pytest.mark.parametrize(
    ("tags", "warnings"),
    [
        (f"- {{id: a, label: A, {SOUND}}}\n", []),
        (
            "- {id: a, label: A}\n",
            ["4: tag a: has no description; say in one sentence what is seen in a video that deserves it"],
        ),
        (
            "- {id: a, label: A,\n   description: Laughter}\n",
            ['5: tag a: description is one word, "Laughter"; say in one sentence what is seen'],
        ),
        (
            "- {id: a, label: A, description: The video shows laughter.}\n",
            ['4: tag a: description begins with "The video", which makes tags look alike; begin with what is seen'],
        ),
        (
            f"- id: a\n  label: A\n  {SOUND}\n  examples:\n  - A dog.\n  - In this clip a dog barks.\n",
            [
                '9: tag a: entry 2 of examples begins with "In this clip", which makes tags look alike; '
                "begin with what is seen"
            ],
        ),
        (
            f"- {{id: a, label: Road Trip, {SOUND}}}\n- {{id: b, label: road-trip, {SOUND}}}\n",
            ['5: tag b: label "road-trip" reads like "Road Trip" of tag a; the first is on line 4'],
        ),
        (
            f"- {{id: a, label: Happy, {SOUND}}}\n- {{id: b, label: Glad, synonyms: [x, HAPPY], {SOUND}}}\n",
            ['5: tag b: synonym "HAPPY" reads like the label of tag a'],
        ),
        (f"- {{id: a, label: Happy, synonyms: [happy], {SOUND}}}\n", []),
        (f"- {{id: a, label: '+', {SOUND}}}\n- {{id: b, label: '-', {SOUND}}}\n", []),
        (
            f"- {{id: a, label: A, {SOUND}}}\n- {{id: b, label: a!, status: deprecated, replaced_by: a}}\n",
            [],
        ),
        (
            f"- {{id: a, label: A, parent: b, {SOUND}}}\n- {{id: b, label: B, status: deprecated, replaced_by: c}}\n"
            f"- {{id: c, label: C, {SOUND}}}\n",
            ["4: tag a: parent b is deprecated; use c"],
        ),
    ],
)
def test_a_weak_spot_is_named_with_its_line(tags: str, warnings: list[str], warnings_in: Findings) -> None:
    assert warnings_in(f"id: x\nversion: 1.0.0\ntags:\n{tags}") == [f"house-moods.yaml:{line}" for line in warnings]


def test_facets_and_tags_that_do_not_meet_are_named(warnings_in: Findings) -> None:
    text = f"id: x\nversion: 1.0.0\nfacets:\n- id: mood\n- id: genre\ntags:\n- {{id: a, label: A, {SOUND}}}\n"
    assert warnings_in(text + f"- {{id: b, label: B, facet: mood, {SOUND}}}\n") == [
        "house-moods.yaml:5: facet genre: no active tag belongs to it",
        "house-moods.yaml:7: tag a: has no facet, though the taxonomy has facets",
    ]

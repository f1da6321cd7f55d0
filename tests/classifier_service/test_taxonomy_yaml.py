"""What is read of YAML, and what is refused before anything else is judged."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from classifier_service.taxonomy_yaml import MOST_BYTES, MOST_VALUES, read_document

Findings = Callable[[str | bytes], list[str]]


@pytest.mark.parametrize(
    ("written", "read"),
    [
        ("happy", "happy"),
        ("yes", "yes"),
        ("no", "no"),
        ("on", "on"),
        ("true", True),
        ("False", False),
        ("12", 12),
        ("-3", -3),
        ("010417", "010417"),
        ("1_000", "1_000"),
        ("12:30", "12:30"),
        ("2024-05-01", "2024-05-01"),
        ("9" * 30, "9" * 30),
        ("0.5", 0.5),
        ("1.", 1.0),
        (".inf", float("inf")),
        ("~", None),
        ("", None),
        ("'12'", "12"),
        ('""', ""),
    ],
)
def test_a_plain_word_is_a_number_or_boolean_only_where_nobody_would_doubt_it(written: str, read: object) -> None:
    assert read_document(f"key: {written}\n").data == {"key": read}


def test_keys_are_text_even_where_yaml_would_make_them_booleans() -> None:
    assert read_document("label: {en: Happy, no: Glad, 1: One}\n").data == {
        "label": {"en": "Happy", "no": "Glad", "1": "One"}
    }


def test_every_value_has_a_line() -> None:
    document = read_document("id: x\ntags:\n  - id: a\n    cues:\n      for: [one,\n        two]\n")
    assert document.line_of(("id",)) == 1
    assert document.line_of(("tags", 0)) == 3
    assert document.line_of(("tags", 0, "cues", "for", 1)) == 6
    assert document.line_of(("tags", 0, "label")) == 3, "what is missing is sought at the tag"


def test_a_byte_order_mark_is_not_part_of_the_text() -> None:
    assert read_document(b"\xef\xbb\xbfid: x\n").data == {"id": "x"}


ALIAS_BOMB = "a: &a [x, x, x]\n" + "".join(
    f"{chr(98 + i)}: &{chr(98 + i)} [*{chr(97 + i)}, *{chr(97 + i)}, *{chr(97 + i)}]\n" for i in range(20)
)


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        (ALIAS_BOMB, "house-moods.yaml:1: anchors such as &a are not read; leave it out"),
        ("id: x\ntags: *all\n", "house-moods.yaml:2: aliases such as *all are not read; write the value out"),
        ("id: x\n<<: *all\n", "house-moods.yaml:2: aliases such as *all are not read; write the value out"),
        (
            "id: !!python/object/apply:os.system [ls]\n",
            "house-moods.yaml:1: types such as !!str are not read; put text in quotes instead",
        ),
        ("id: x\n---\nid: y\n", "house-moods.yaml:2: holds more than one document; keep one taxonomy to a file"),
        ("", "house-moods.yaml: is empty"),
        ("# only a comment\n", "house-moods.yaml: is empty"),
        ("id: x\n? [a, b]\n: c\n", "house-moods.yaml:2: a key must be a word"),
        ("a: {b: {c: {d: {e: {f: 1}}}}}\n", "house-moods.yaml:1: is nested too deeply for a taxonomy"),
        ("[" * 100_000, "house-moods.yaml:1: is nested too deeply for a taxonomy"),
        (b"id: x\nlabel: Fr\xf6hlich\n", "house-moods.yaml:2: is not UTF-8 text; save it with that encoding"),
        ("id: \ud800\n", "house-moods.yaml: is not Unicode text"),
        (
            "id: x\ntitle: a\x07b\n",
            "house-moods.yaml:2: holds a character that YAML does not allow: control characters are not allowed",
        ),
        (
            "id: x\ntitle: Moods: a list\n",
            "house-moods.yaml:2: is not valid YAML: mapping values are not allowed in this context; "
            "put text that holds a colon and a space in quotes",
        ),
        (
            "id: x\ntags:\n\t- id: a\n",
            "house-moods.yaml:3: is not valid YAML: found character that cannot start any token; "
            "indent with spaces, not tabs, and put text that begins with @, % or ` in quotes",
        ),
        (
            "tags: [a, b\nid: x\n",
            "house-moods.yaml:2: is not valid YAML: did not find expected ',' or ']'",
        ),
        ("a" * (MOST_BYTES + 1), "house-moods.yaml: is larger than 2 MiB"),
        ("- a\n" * (MOST_VALUES + 1), f"house-moods.yaml:{MOST_VALUES}: holds more than 250000 values"),
    ],
    ids=lambda value: value[:40] if isinstance(value, str) else None,
)
def test_what_cannot_be_read_is_refused_with_its_line(text: str | bytes, fault: str, faults_in: Findings) -> None:
    assert faults_in(text) == [fault]


def test_a_key_written_twice_keeps_its_first_value_and_names_both_lines() -> None:
    document = read_document("id: x\ntags:\n  - id: a\n    cues: {for: [b]}\n    cues:\n      for: [c]\n")
    assert document.data == {"id": "x", "tags": [{"id": "a", "cues": {"for": ["b"]}}]}
    assert document.line_of(("tags", 0, "cues", "for", 0)) == 4
    assert [str(fault.located("f.yaml", document.line_of)) for fault in document.faults] == [
        "f.yaml:5: tag a: key cues is written twice; the first is on line 4"
    ]

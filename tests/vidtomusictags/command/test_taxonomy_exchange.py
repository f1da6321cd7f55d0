"""`vidtags taxonomies diff|import|export`, and the close check."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

GOOD = """id: mine
version: 1.0.0
tags:
  - {id: calm, label: Calm, description: Still water and slow clouds.}
  - {id: storm, label: Storm, description: Thunder and high waves.}
"""


@pytest.fixture
def good(tmp_path: Path) -> Path:
    path = tmp_path / "good.yaml"
    path.write_text(GOOD)
    return path


def test_versions_are_compared(vidtags: Any, good: Path, tmp_path: Path) -> None:
    later = tmp_path / "later.yaml"
    later.write_text(GOOD.replace("1.0.0", "1.1.0").replace("Storm,", "Tempest,"))
    ran = vidtags("taxonomies", "diff", good, later)
    assert ran.code == 0
    assert ran.stdout.splitlines() == [
        "version: '1.0.0' -> '1.1.0'",
        "~ tag storm: label: 'Storm' -> 'Tempest'",
        "results that can differ: 1 tags",
        "  storm: changed: label",
    ]
    document = vidtags("taxonomies", "diff", good, later, "--json").document
    assert document["touched"] == {"storm": ["changed: label"]}
    assert vidtags("taxonomies", "diff", good, good).stdout == "no difference\n"


@pytest.mark.parametrize("kind", ["csv", "ttl", "nt", "rdf"])
def test_what_is_exported_is_imported_again(vidtags: Any, good: Path, tmp_path: Path, kind: str) -> None:
    there = tmp_path / f"there.{kind}"
    there.write_text(vidtags("taxonomies", "export", good, "--format", kind).stdout)
    back = tmp_path / "back.yaml"
    back.write_text(vidtags("taxonomies", "import", there).stdout)
    assert vidtags("taxonomies", "diff", good, back).stdout == "no difference\n"


def test_a_plain_list_becomes_a_taxonomy(vidtags: Any, tmp_path: Path) -> None:
    (tmp_path / "list.csv").write_text("id;label\ncalm;Calm\n")
    ran = vidtags("taxonomies", "import", tmp_path / "list.csv", "--id", "mine", "--version", "2.0.0")
    assert ran.stdout.splitlines()[:2] == ["id: mine", "version: 2.0.0"]


@pytest.mark.parametrize(
    ("name", "content", "said"),
    [
        ("list.csv", b"id,label\nCalm!,Calm\n", "id must be lower-case"),
        ("list.csv", b"name\nCalm\n", "line 1"),
        ("list.csv", b"id,label\n\xff\xfe,x\n", "UTF-8"),
        ("list.ttl", b"nonsense {", "not RDF"),
        ("list.doc", b"", "there is no format 'doc'"),
    ],
)
def test_what_cannot_be_imported_is_the_users_mistake(
    vidtags: Any, tmp_path: Path, name: str, content: bytes, said: str
) -> None:
    (tmp_path / name).write_bytes(content)
    ran = vidtags("taxonomies", "import", tmp_path / name, "--id", "mine")
    assert ran.code == 2
    assert ran.stdout == ""
    assert said in " ".join(ran.stderr.split())


def test_tags_alike_are_warned_of_unless_the_check_is_to_be_quick(vidtags: Any, tmp_path: Path) -> None:
    file = tmp_path / "alike.yaml"
    file.write_text(GOOD.replace("Calm,", "Forest,").replace("Storm,", "Woods,"))
    close = vidtags("taxonomies", "check", file)
    assert close.code == 0
    assert "warning: tag storm: label means nearly the same as that of tag calm" in close.stdout
    assert "warning" not in vidtags("taxonomies", "check", file, "--quick").stdout


def test_the_notebooks_shape_is_one_option(vidtags: Any) -> None:
    document = vidtags("classify", "--summary", "A dog.", "--format", "notebook").document
    assert list(document) == ["tag", "key_information", "reasoning"]
    assert all(list(tag) == ["tag", "confidence"] for tag in document["tag"])
    assert document["tag"]
    (line,) = vidtags(
        "classify", "--jsonl", "-", "--format", "notebook", stdin='{"id": "a", "summary": "A dog."}'
    ).lines
    assert line == {"id": "a", **document}
    assert vidtags("classify", "--summary", "A dog.", "--format", "diary").code == 2

"""Data sets in every form, and everything that can be wrong with one."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from classifier_service.taxonomy import Status, Tag, Taxonomy
from vidtomusictags.evaluation.dataset import Dataset, read_dataset
from vidtomusictags.evaluation.faults import Kind
from vidtomusictags.evaluation.labels import truth_of
from vidtomusictags.evaluation.manifest_rows import ManifestUnreadable

TAXONOMY = Taxonomy(
    "t",
    "1.0.0",
    tags=(
        Tag("happy", "Happy"),
        Tag("sad", "Sad"),
        Tag("glad", "Glad", status=Status.DEPRECATED, replaced_by="happy"),
    ),
)


def written(folder: Path, *rows: dict[str, Any] | str, name: str = "set.jsonl") -> Path:
    path = folder / name
    path.write_text("\n".join(row if isinstance(row, str) else json.dumps(row) for row in rows), encoding="utf-8")
    return path


def read(folder: Path, *rows: dict[str, Any] | str) -> Dataset:
    return read_dataset(written(folder, *rows))


def kinds(dataset: Dataset) -> list[tuple[Kind, int | None]]:
    return [(fault.kind, fault.row) for fault in dataset.faults]


def test_the_same_set_reads_alike_from_every_form(tmp_path: Path) -> None:
    lines = read(
        tmp_path,
        {"id": "1", "clip": "a.mp4", "source": "f", "labels": {"ann": ["happy", {"id": "sad", "relevance": 0.5}]}},
        {"id": "2", "summary": "A wake.", "labels": {"ann": [], "bob": {"sad": 1}}},
    )
    table = tmp_path / "set.csv"
    table.write_text(
        "id,clip,summary,source,labels:ann,labels:bob\n1,a.mp4,,f,happy; sad:0.5,\n2,,A wake.,,-,sad\n",
        encoding="utf-8",
    )
    columns = tmp_path / "set.parquet"
    labels = pa.array(
        [[("ann", [("happy", 1.0), ("sad", 0.5)])], [("ann", []), ("bob", [("sad", 1.0)])]],
        pa.map_(pa.string(), pa.map_(pa.string(), pa.float64())),
    )
    pq.write_table(
        pa.table(
            {
                "id": ["1", "2"],
                "clip": ["a.mp4", None],
                "summary": [None, "A wake."],
                "source": ["f", None],
                "labels": labels,
            }
        ),
        columns,
    )
    for other in (read_dataset(table), read_dataset(columns)):
        assert not other.faults
        for one, same in zip(lines.items, other.items, strict=True):
            assert (one.id, one.clip, one.summary, one.source, one.labels) == (
                same.id,
                same.clip,
                same.summary,
                same.source,
                same.labels,
            )
    assert lines.items[0].labels == {"ann": {"happy": 1.0, "sad": 0.5}}
    assert lines.items[1].labels == {"ann": {}, "bob": {"sad": 1.0}}
    assert lines.items[0].clip == str(tmp_path / "a.mp4")
    assert lines.items[1].source == "2"


def test_every_fault_is_told_with_its_row(tmp_path: Path) -> None:
    found = read(
        tmp_path,
        {"id": "1", "summary": "x", "expected": ["happy"]},
        "not json",
        {"summary": "no id", "expected": []},
        {"id": "1", "summary": "again", "expected": []},
        {"id": "2", "expected": ["sad"]},
        {"id": "3", "summary": "x"},
        {"id": "4", "summary": "x", "expected": [{"id": "sad", "relevance": 1.5}, "happy"]},
        '{"id": "5", "summary": "x", "expected": {"sad": NaN, "happy": 1}}',
        "[]",
        {"id": "6", "summary": "x", "labels": {"ann": 7}},
    )
    assert kinds(found) == [
        (Kind.UNREADABLE, 2),
        (Kind.NO_ID, 3),
        (Kind.DUPLICATE_ID, 4),
        (Kind.NO_INPUT, 5),
        (Kind.UNLABELLED, 6),
        (Kind.BAD_RELEVANCE, 7),
        (Kind.BAD_RELEVANCE, 8),
        (Kind.UNREADABLE, 9),
        (Kind.BAD_RELEVANCE, 10),
        (Kind.UNLABELLED, 10),
    ]
    assert found.rows == 10
    assert [item.id for item in found.items] == ["1", "2", "4", "5"]
    assert [item.labels["expected"] for item in found.items[2:]] == [{"happy": 1.0}, {"happy": 1.0}]


@pytest.mark.parametrize(
    ("name", "content"), [("set.jsonl", ""), ("set.jsonl", "{}"), ("set.txt", "x"), ("set.csv", "id\n")]
)
def test_a_file_without_anything_to_use_is_refused(tmp_path: Path, name: str, content: str) -> None:
    (tmp_path / name).write_text(content)
    with pytest.raises(ManifestUnreadable, match=name):
        read_dataset(tmp_path / name)


def test_a_file_that_only_calls_itself_parquet_is_refused(tmp_path: Path) -> None:
    (tmp_path / "set.parquet").write_bytes(b"nothing of the kind")
    with pytest.raises(ManifestUnreadable, match="is no Parquet file"):
        read_dataset(tmp_path / "set.parquet")


def test_a_row_with_too_few_columns_is_told(tmp_path: Path) -> None:
    (tmp_path / "set.csv").write_text("id,summary,expected\n1,x,happy\n2,y\n")
    assert kinds(read_dataset(tmp_path / "set.csv")) == [(Kind.UNREADABLE, 3)]


def test_labels_name_tags_by_id_label_or_a_deprecated_id(tmp_path: Path) -> None:
    found = read(tmp_path, {"id": "1", "summary": "x", "labels": {"a": ["Happy"], "b": ["glad"], "c": ["happy"]}})
    truth = truth_of(found.items, TAXONOMY)
    assert truth.share.tolist() == [[1.0, 0.0]]
    assert not truth.faults


def test_unknown_tags_are_told_and_counted_where_most_expect_them(tmp_path: Path) -> None:
    found = read(
        tmp_path,
        {"id": "1", "summary": "x", "labels": {"a": ["joyous"], "b": ["joyous", "sad"], "c": []}},
        {"id": "2", "summary": "x", "labels": {"a": ["odd"], "b": [], "c": []}},
    )
    truth = truth_of(found.items, TAXONOMY)
    assert [(fault.kind, fault.row, fault.id) for fault in truth.faults] == [
        (Kind.UNKNOWN_TAG, 1, "1"),
        (Kind.UNKNOWN_TAG, 2, "2"),
    ]
    assert truth.unknown == 1


def test_a_tag_is_expected_where_half_of_those_who_judged_it_say_so(tmp_path: Path) -> None:
    found = read(
        tmp_path,
        {"id": "1", "summary": "x", "labels": {"a": ["happy"], "b": []}},
        {"id": "2", "summary": "x", "labels": {"a": [{"id": "happy", "relevance": 0.4}]}},
        {"id": "3", "summary": "x", "labels": {"a": ["sad"], "b": [], "c": []}},
    )
    truth = truth_of(found.items, TAXONOMY)
    assert truth.expected.tolist() == [[True, False], [False, False], [False, False]]
    assert truth.share[2, 1] == pytest.approx(1 / 3)
    assert np.isnan(truth.votes[1:, 1]).all()


def test_a_file_uri_is_the_path_it_means(tmp_path: Path) -> None:
    found = read(tmp_path, {"id": "1", "clip": "file:///clips/a%20b.mp4", "expected": []})
    assert found.items[0].clip == "/clips/a b.mp4"

"""The rows of a manifest as plain values, whether it is JSONL, CSV or Parquet."""

from __future__ import annotations

import csv
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from vidtomusictags.evaluation.faults import Fault, Kind

SUFFIXES = (".jsonl", ".ndjson", ".csv", ".parquet")
LABELS_PREFIX = "labels:"
"""A column of a CSV file called `labels:ann` holds the labels of the annotator `ann`."""


class ManifestUnreadable(ValueError):
    """The file as a whole cannot be read; the message says what to do."""


@dataclass(frozen=True)
class Row:
    """number: the line in a text file, from 1; in Parquet the place of the row, from 1."""

    number: int
    values: Mapping[str, Any]


def read_rows(path: Path) -> Iterator[Row | Fault]:
    """Every row, or what is wrong with it. Raises ManifestUnreadable, OSError."""
    match path.suffix.lower():
        case ".jsonl" | ".ndjson":
            return _json_rows(path)
        case ".csv":
            return _csv_rows(path)
        case ".parquet":
            return _parquet_rows(path)
    raise ManifestUnreadable(f"{path.name}: a data set is one of {', '.join(SUFFIXES)}; rename or convert it.")


def _json_rows(path: Path) -> Iterator[Row | Fault]:
    with path.open("rb") as file:
        for number, line in enumerate(file, start=1):
            if not line.strip():
                continue
            try:
                values = json.loads(line)
            except (ValueError, UnicodeDecodeError) as error:
                yield Fault(Kind.UNREADABLE, f"is not JSON: {error}", row=number)
                continue
            if isinstance(values, dict):
                yield Row(number, values)
            else:
                yield Fault(Kind.UNREADABLE, "is not an object", row=number)


def _csv_rows(path: Path) -> Iterator[Row | Fault]:
    with path.open(encoding="utf-8-sig", newline="") as file:
        reader = csv.DictReader(file, strict=True)
        try:
            for row in reader:
                if None in row or None in row.values():
                    yield Fault(Kind.UNREADABLE, "has another number of columns than the header", row=reader.line_num)
                else:
                    yield Row(reader.line_num, _gathered(row))
        except (csv.Error, UnicodeDecodeError) as error:
            raise ManifestUnreadable(f"{path.name}: is no CSV file in UTF-8: {error}") from error


def _gathered(row: Mapping[str, str]) -> dict[str, Any]:
    """Empty cells are left out; `labels:NAME` columns become one mapping. An empty label cell: that one judged nothing.

    An annotator who found that no tag fits writes `-`.
    """
    values: dict[str, Any] = {}
    labels: dict[str, str] = {}
    for name, cell in row.items():
        if not cell.strip():
            continue
        if name.startswith(LABELS_PREFIX):
            labels[name.removeprefix(LABELS_PREFIX)] = cell
        else:
            values[name] = cell
    return values | ({"labels": labels} if labels else {})


def _parquet_rows(path: Path) -> Iterator[Row | Fault]:
    import pyarrow as pa  # noqa: PLC0415  # heavy, and only for Parquet
    import pyarrow.parquet as pq  # noqa: PLC0415

    try:
        number = 0
        with pq.ParquetFile(path) as file:
            for batch in file.iter_batches():
                for values in batch.to_pylist(maps_as_pydicts="lossy"):
                    number += 1
                    yield Row(number, {name: value for name, value in values.items() if value is not None})
    except pa.ArrowException as error:
        raise ManifestUnreadable(f"{path.name}: is no Parquet file: {error}") from error

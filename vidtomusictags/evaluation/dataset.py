"""A labelled data set: clips or ready summaries, and which tags annotators expect of them."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import unquote

from vidtomusictags.evaluation.faults import Fault, Kind
from vidtomusictags.evaluation.manifest_rows import ManifestUnreadable, Row, read_rows

ONE_ANNOTATOR = "expected"
"""The name of the annotator of a manifest that has `expected` instead of `labels`."""
NO_TAG = "-"
_MOST_ROWS = 2_000_000


@dataclass(frozen=True)
class Item:
    """One clip. labels: by annotator the relevance of each tag, above 0 to 1, named as the manifest names it.

    clip: a path as it can be opened, or a URI. source: the film it is from; clips of one film are not independent.
    """

    id: str
    row: int
    labels: Mapping[str, Mapping[str, float]]
    source: str
    clip: str = ""
    summary: str = ""


@dataclass(frozen=True)
class Dataset:
    """rows: how many the manifest has, items: those that count. digest: sha256 of the manifest's bytes."""

    path: Path
    digest: str
    rows: int
    items: Sequence[Item]
    faults: Sequence[Fault]

    @property
    def annotators(self) -> Sequence[str]:
        """Everybody who labelled something, in the order of appearance."""
        return tuple(dict.fromkeys(name for item in self.items for name in item.labels))

    @property
    def sources(self) -> int:
        """Different films."""
        return len({item.source for item in self.items})


def read_dataset(path: Path) -> Dataset:
    """Reads a manifest and names every fault. Raises ManifestUnreadable, OSError.

    Clips are relative to the manifest. An item has `labels`, a mapping of annotator to tags, or `expected`, the tags
    alone. Tags are a list, of which an entry may be {"id", "relevance"}; a mapping of tag to relevance; or a text such
    as `happy; sad:0.5`, where `-` says that no tag fits.
    """
    items: dict[str, Item] = {}
    faults: list[Fault] = []
    rows = 0
    for row in read_rows(path):
        rows += 1
        if rows > _MOST_ROWS:
            raise ManifestUnreadable(f"{path.name}: has more than {_MOST_ROWS} rows; split it.")
        if isinstance(row, Fault):
            faults.append(row)
            continue
        item = _item(row, path.parent, faults)
        if item is not None and item.id in items:
            message = f"the id is that of row {items[item.id].row}, too"
            faults.append(Fault(Kind.DUPLICATE_ID, message, row=row.number, id=item.id))
        elif item is not None:
            items[item.id] = item
    if not items:
        raise ManifestUnreadable(f"{path.name}: has no row that can be used. {_first(faults)}")
    return Dataset(path, _digest(path), rows, tuple(items.values()), tuple(faults))


def _item(row: Row, folder: Path, faults: list[Fault]) -> Item | None:
    values = row.values
    id = str(values.get("id", "")).strip()
    if not id:
        faults.append(Fault(Kind.NO_ID, "has no id", row=row.number))
        return None
    clip, summary = str(values.get("clip", "")).strip(), str(values.get("summary", "")).strip()
    if not clip and not summary:
        faults.append(Fault(Kind.NO_INPUT, "has neither clip nor summary", row=row.number, id=id))
    labels = {}
    for annotator, said in _annotators(values):
        tags, wrong = _tags(said)
        faults += [Fault(Kind.BAD_RELEVANCE, message, row=row.number, id=id) for message in wrong]
        if tags is not None:
            labels[annotator] = tags
    if not labels:
        faults.append(Fault(Kind.UNLABELLED, "nobody has labelled it", row=row.number, id=id))
        return None
    source = str(values.get("source", "")).strip() or id
    return Item(id, row.number, labels, source, _located(clip, folder), summary)


def _annotators(values: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
    labels = values.get("labels")
    if isinstance(labels, Mapping):
        yield from ((str(name), said) for name, said in labels.items() if said is not None)
    elif labels is not None:
        yield ONE_ANNOTATOR, labels
    if "expected" in values and not labels:
        yield ONE_ANNOTATOR, values["expected"]


def _tags(said: Any) -> tuple[dict[str, float] | None, list[str]]:
    """Tags with their relevance, None where nothing was said, and what is wrong with them."""
    tags: dict[str, float] = {}
    wrong: list[str] = []
    for entry in _entries(said):
        if entry is None:
            wrong.append(f"its labels cannot be read: {said!r}"[:200])
            return None, wrong
        tag, relevance = entry
        try:
            number = float(relevance)
        except (TypeError, ValueError):
            number = math.nan
        if not 0 <= number <= 1:  # NaN fails this too
            wrong.append(f"the relevance of {tag!r} is {relevance!r}, which is not within 0 and 1")
        elif number > 0:
            tags[tag] = max(number, tags.get(tag, 0.0))
    return tags, wrong


def _entries(said: Any) -> Iterable[tuple[str, Any] | None]:
    if isinstance(said, str):
        return [_pair(part.strip()) for part in said.split(";") if part.strip() and part.strip() != NO_TAG]
    if isinstance(said, Mapping):
        return [(str(tag), relevance) for tag, relevance in said.items() if relevance is not None]
    if isinstance(said, list | tuple):
        return [_listed(entry) for entry in said]
    return [None]


def _listed(entry: Any) -> tuple[str, Any] | None:
    if isinstance(entry, str):
        return entry.strip(), 1.0
    if isinstance(entry, Mapping) and "id" in entry:
        return str(entry["id"]), entry.get("relevance", 1.0)
    return None


def _pair(part: str) -> tuple[str, Any]:
    """`sad:0.5` is a tag and its relevance; a colon that no number follows is part of the tag."""
    tag, colon, relevance = part.rpartition(":")
    if colon and relevance.strip().lower().replace(".", "", 1).replace("-", "", 1).isalnum():
        try:
            return tag.strip(), float(relevance)
        except ValueError:
            return part, 1.0
    return part, 1.0


def _located(clip: str, folder: Path) -> str:
    if clip.startswith("file:///"):
        return unquote(clip.removeprefix("file://"))
    return clip if not clip or "://" in clip else str(folder / clip)


def _digest(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _first(faults: Sequence[Fault]) -> str:
    return f"The first fault: {faults[0]}." if faults else "It is empty."

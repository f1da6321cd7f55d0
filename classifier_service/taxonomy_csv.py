"""Taxonomies as tables, for editors who work in spreadsheets: a row for the taxonomy, each facet and each tag."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Iterable, Mapping, Sequence

from classifier_service.taxonomy import Facet, Role, Select, Status, Tag, Taxonomy
from vidtomusictags.rpc.failures import TaxonomyInvalid

_COLUMNS = (
    "kind", "id", "label", "facet", "description", "synonyms", "examples", "cues_for", "cues_against", "parent",
    "excludes", "role", "threshold", "status", "replaced_by", "version", "language", "select", "max", "required",
)  # fmt: skip
_LABEL, _EXTERNAL = "label:", "external:"
_LISTS = ("synonyms", "examples", "cues_for", "cues_against", "excludes")
_FORMULA = re.compile(r"'*[=+\-@\t\r]")
"""What spreadsheets run as a formula (OWASP, CSV injection). An apostrophe before it makes them show it as text."""
_MARKED = re.compile(r"'+[=+\-@\t\r]")
_TRUE, _FALSE = "true", "false"


def to_csv(taxonomy: Taxonomy) -> str:
    """The whole taxonomy; `from_csv` gives an equal one, of the same digest.

    A list is one entry to a line within its cell. Cells that a spreadsheet would run as a formula begin with an
    apostrophe.
    """
    rows = [_head_row(taxonomy), *map(_facet_row, taxonomy.facets), *map(_tag_row, taxonomy.tags)]
    languages = sorted({key for tag in taxonomy.tags for key in tag.labels})
    systems = sorted({key for tag in taxonomy.tags for key in tag.external})
    columns = [*_COLUMNS, *(_LABEL + one for one in languages), *(_EXTERNAL + one for one in systems)]
    out = io.StringIO()
    writer = csv.DictWriter(out, columns, restval="", lineterminator="\r\n")  # RFC 4180
    writer.writeheader()
    writer.writerows({name: _shown(cell) for name, cell in row.items()} for row in rows)
    return out.getvalue()


def from_csv(text: str, *, id: str = "", version: str = "") -> Taxonomy:
    """Reads such a table, unchecked; `taxonomy_rules.check_taxonomy` judges it.

    Columns may be left out, but for `id` and `label`, and stand in any order; without `kind`, all rows are tags. Cells
    are separated by commas, semicolons or tabs, as in the first line. id, version: those of the taxonomy, where no row
    says them or others are wanted. Raises TaxonomyInvalid, naming the line, for what is no such table.
    """
    reader = csv.DictReader(io.StringIO(text.removeprefix("\ufeff")), delimiter=_delimiter(text), restkey="")
    names = [name.strip() for name in reader.fieldnames or ()]
    unknown = [name for name in names if name not in _COLUMNS and not name.startswith((_LABEL, _EXTERNAL)) and name]
    if unknown or not {"id", "label"} <= set(names):
        raise TaxonomyInvalid(
            f"line 1: the columns must be id, label and any of {', '.join(_COLUMNS)}, {_LABEL}LANGUAGE and"
            f" {_EXTERNAL}SYSTEM" + (f", not {unknown[0]}" if unknown else "")
        )
    reader.fieldnames = names
    head: Mapping[str, str] = {}
    facets: list[Facet] = []
    tags: list[Tag] = []
    try:
        for raw in reader:
            row = {name: _read(cell) for name, cell in raw.items() if name and isinstance(cell, str)}
            if not any(row.values()):
                continue
            match row.get("kind") or "tag":
                case "taxonomy":
                    head = row
                case "facet":
                    facets.append(_facet(row))
                case "tag":
                    tags.append(_tag(row))
                case other:
                    raise ValueError(f"kind must be taxonomy, facet or tag, not {other}")
    except (ValueError, csv.Error) as error:
        raise TaxonomyInvalid(f"line {reader.line_num}: {error}") from error
    return Taxonomy(
        id=id or head.get("id", ""),
        version=version or head.get("version", "") or "1.0.0",
        tags=tuple(tags),
        facets=tuple(facets),
        language=head.get("language", "") or "en",
        title=head.get("label", ""),
        description=head.get("description", ""),
    )


def _head_row(taxonomy: Taxonomy) -> dict[str, str]:
    return {
        "kind": "taxonomy",
        "id": taxonomy.id,
        "label": taxonomy.title,
        "description": taxonomy.description,
        "version": taxonomy.version,
        "language": taxonomy.language,
    }


def _facet_row(facet: Facet) -> dict[str, str]:
    return {
        "kind": "facet",
        "id": facet.id,
        "label": facet.label,
        "description": facet.description,
        "select": facet.select.value,
        "max": "" if facet.max is None else str(facet.max),
        "required": _TRUE if facet.required else _FALSE,
    }


def _tag_row(tag: Tag) -> dict[str, str]:
    row = {
        "kind": "tag",
        "id": tag.id,
        "label": tag.label,
        "facet": tag.facet,
        "description": tag.description,
        "parent": tag.parent,
        "role": tag.role.value,
        "threshold": "" if tag.threshold is None else repr(tag.threshold),
        "status": tag.status.value,
        "replaced_by": tag.replaced_by,
    }
    row |= {name: _joined(getattr(tag, name)) for name in _LISTS}
    row |= {_LABEL + language: label for language, label in tag.labels.items()}
    return row | {_EXTERNAL + system: code for system, code in tag.external.items()}


def _facet(row: Mapping[str, str]) -> Facet:
    return Facet(
        id=row.get("id", ""),
        label=row.get("label", ""),
        description=row.get("description", ""),
        select=Select(row.get("select") or "many"),
        max=int(row["max"]) if row.get("max") else None,
        required=_boolean(row.get("required", "")),
    )


def _tag(row: Mapping[str, str]) -> Tag:
    return Tag(
        id=row.get("id", ""),
        label=row.get("label", ""),
        facet=row.get("facet", ""),
        labels=_prefixed(row, _LABEL),
        description=row.get("description", ""),
        synonyms=_split(row.get("synonyms", "")),
        examples=_split(row.get("examples", "")),
        cues_for=_split(row.get("cues_for", "")),
        cues_against=_split(row.get("cues_against", "")),
        parent=row.get("parent", ""),
        excludes=_split(row.get("excludes", "")),
        role=Role(row.get("role") or "describes"),
        threshold=_number(row["threshold"]) if row.get("threshold") else None,
        external=_prefixed(row, _EXTERNAL),
        status=Status(row.get("status") or "active"),
        replaced_by=row.get("replaced_by", ""),
    )


def _prefixed(row: Mapping[str, str], prefix: str) -> dict[str, str]:
    return {name.removeprefix(prefix): cell for name, cell in row.items() if name.startswith(prefix) and cell}


def _boolean(cell: str) -> bool:
    if cell.casefold() not in ("", _TRUE, _FALSE):
        raise ValueError(f"required must be true or false, not {cell}")
    return cell.casefold() == _TRUE


def _number(cell: str) -> float:
    """Spreadsheets in half of Europe write 0,55."""
    return float(cell.replace(",", "."))


def _joined(entries: Iterable[str]) -> str:
    return "\n".join(entry.replace("\\", "\\\\").replace("\n", "\\n") for entry in entries)


def _split(cell: str) -> Sequence[str]:
    entries = (entry.strip("\r") for entry in cell.split("\n"))
    return tuple(_unescaped(entry) for entry in entries if entry.strip())


def _unescaped(entry: str) -> str:
    return re.sub(r"\\(.)", lambda found: "\n" if found[1] == "n" else found[1], entry)


def _shown(cell: str) -> str:
    return f"'{cell}" if _FORMULA.match(cell) else cell


def _read(cell: str) -> str:
    cell = cell.replace("\r\n", "\n").strip()
    return cell[1:] if _MARKED.match(cell) else cell


def _delimiter(text: str) -> str:
    first = text.partition("\n")[0]
    return max(",;\t", key=first.count)

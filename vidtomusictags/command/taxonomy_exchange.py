"""`vidtags taxonomies diff|import|export`: versions compared, and vocabularies carried to other formats and back."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from vidtomusictags.command import options
from vidtomusictags.command.documents import print_document
from vidtomusictags.command.endings import Mistake
from vidtomusictags.command.extras import needing
from vidtomusictags.command.help import add

if TYPE_CHECKING:
    from classifier_service.taxonomy import Taxonomy
    from classifier_service.taxonomy_diff import Entries, TaxonomyDiff

Find = Callable[[str, str], "Taxonomy"]
"""The taxonomy that an argument names, and the address of the service that may hold it."""

_TABLES = ("csv", "tsv")
_GRAPHS = ("ttl", "nt", "rdf", "xml")
_MOST_BYTES = 16 * 1024 * 1024
Format = Annotated[
    str | None, typer.Option("--format", metavar="|".join((*_TABLES, *_GRAPHS)), help="Default: as the file is called.")
]


def add_exchange(app: typer.Typer, find: Find) -> None:
    """Adds the three commands. find: how arguments that are no file of another format become taxonomies."""

    def diff(
        old: Annotated[str, typer.Argument(metavar="A", help="id, id@version, or a YAML file.")],
        new: Annotated[str, typer.Argument(metavar="B", help="The later one.")],
        classifier: options.Classifier = options.CLASSIFIER,
        as_json: options.AsJson = False,
    ) -> None:
        """Tell what changed from A to B, and the results of which tags that can touch.

        Examples:
        vidtags taxonomies diff music-moods@1.0.0 my-moods.yaml
        vidtags taxonomies diff old.yaml new.yaml --json
        """
        with needing("classifier"):
            from classifier_service.taxonomy_diff import diff as compare  # noqa: PLC0415
        found = compare(find(old, classifier), find(new, classifier))
        if as_json:
            print_document(asdict(found))
        else:
            print("\n".join(_lines(found)) or "no difference")

    def import_(
        file: Annotated[str, typer.Argument(metavar="FILE", help="A table (.csv, .tsv) or SKOS (.ttl, .nt, .rdf).")],
        kind: Format = None,
        id: Annotated[str, typer.Option(help="Id of the taxonomy, in place of the file's.")] = "",
        version: Annotated[str, typer.Option(help="Version, in place of the file's.")] = "",
    ) -> None:
        """Read a table or a SKOS scheme, check it, and print it as YAML.

        A table has one row for each tag, with columns id and label, and any of those that export writes.

        Examples:
        vidtags taxonomies import moods.csv --id house-moods > house-moods.yaml
        vidtags taxonomies import thesaurus.ttl --id thesaurus --version 1.0.0 > thesaurus.yaml
        """
        taxonomy = _read(file, _format(file, kind), id, version)
        with needing("classifier"):
            from classifier_service.taxonomy_faults import FaultyTaxonomy  # noqa: PLC0415
            from classifier_service.taxonomy_file import dump_taxonomy  # noqa: PLC0415
            from classifier_service.taxonomy_rules import check_taxonomy  # noqa: PLC0415
        if faults := check_taxonomy(taxonomy, name=file):
            raise FaultyTaxonomy(faults)
        print(dump_taxonomy(taxonomy), end="")

    def export(
        name: Annotated[str, typer.Argument(metavar="ID|FILE", help="id, id@version, or a YAML file.")],
        kind: Annotated[str, typer.Option("--format", metavar="|".join((*_TABLES[:1], *_GRAPHS)))] = "csv",
        classifier: options.Classifier = options.CLASSIFIER,
    ) -> None:
        """Print a taxonomy as a table or as SKOS.

        A table holds all of it: import gives the same taxonomy back. SKOS keeps all but the order of texts in a tag.

        Examples:
        vidtags taxonomies export my-moods.yaml > my-moods.csv
        vidtags taxonomies export music-moods --format ttl > music-moods.ttl
        """
        taxonomy = find(name, classifier)
        if kind in _TABLES:
            with needing("classifier"):
                from classifier_service.taxonomy_csv import to_csv  # noqa: PLC0415
            print(to_csv(taxonomy), end="")
            return
        with needing("taxonomies"):
            from classifier_service.taxonomy_skos import to_skos  # noqa: PLC0415
        print(to_skos(taxonomy, suffix=_known(kind)), end="")

    add(app, diff)
    add(app, import_, "import")
    add(app, export)


def _read(file: str, kind: str, id: str, version: str) -> Taxonomy:
    path = Path(file)
    if path.stat().st_size > _MOST_BYTES:
        raise Mistake(f"{file} is larger than {_MOST_BYTES >> 20} MiB, which no taxonomy is")
    try:
        text = path.read_text(encoding="utf-8")
    except UnicodeDecodeError as error:
        raise Mistake(f"{file} is not text in UTF-8; save it as UTF-8") from error
    if kind in _TABLES:
        with needing("classifier"):
            from classifier_service.taxonomy_csv import from_csv  # noqa: PLC0415
        return from_csv(text, id=id, version=version)
    with needing("taxonomies"):
        from classifier_service.taxonomy_skos import from_skos  # noqa: PLC0415
    return from_skos(text, suffix=kind, id=id, version=version)


def _format(file: str, kind: str | None) -> str:
    return _known(kind or file.rpartition(".")[2].lower())


def _known(kind: str) -> str:
    if kind not in (*_TABLES, *_GRAPHS):
        raise Mistake(f"there is no format {kind!r}; there is: {', '.join((*_TABLES, *_GRAPHS))}")
    return kind


def _lines(found: TaxonomyDiff) -> Iterator[str]:
    for change in found.head:
        yield f"{change.field}: {change.before!r} -> {change.after!r}"
    yield from _entry_lines("facet", found.facets)
    yield from _entry_lines("tag", found.tags)
    if found.touched:
        yield f"results that can differ: {len(found.touched)} tags"
        yield from (f"  {id}: {'; '.join(reasons)}" for id, reasons in found.touched.items())
    yield from (f"advice: {advice}" for advice in found.advice)


def _entry_lines(kind: str, entries: Entries) -> Iterator[str]:
    yield from (f"+ {kind} {id}" for id in entries.added)
    yield from (f"- {kind} {id}" for id in entries.removed)
    for changed in entries.changed:
        for change in changed.changes:
            yield f"~ {kind} {changed.id}: {change.field}: {_short(change.before)} -> {_short(change.after)}"
    if entries.reordered:
        yield f"~ {kind}s come in another order"


def _short(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= 100 else f"{text[:99]}…"

"""`vidtags taxonomies`: which vocabularies there are, what is in them, and what is wrong with one."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from vidtomusictags.command import options
from vidtomusictags.command.credentials import chosen_credentials
from vidtomusictags.command.documents import print_document
from vidtomusictags.command.endings import MISTAKE, OK, Mistake
from vidtomusictags.command.extras import needing
from vidtomusictags.command.help import add
from vidtomusictags.command.taxonomy_argument import is_file, read_file
from vidtomusictags.command.taxonomy_exchange import add_exchange
from vidtomusictags.command.taxonomy_rendering import print_entries, print_taxonomy

if TYPE_CHECKING:
    from collections.abc import Callable

    from classifier_service.taxonomy import Taxonomy
    from classifier_service.taxonomy_file import Inspection
    from classifier_service.taxonomy_store import TaxonomyStore

Local = Annotated[bool, typer.Option("--local", help="The ones that come with the package, without a service.")]

app = typer.Typer(help="List, show and check taxonomies.", rich_markup_mode="rich")


def list_(
    classifier: options.Classifier = options.CLASSIFIER, local: Local = False, as_json: options.AsJson = False
) -> None:
    """List the taxonomies that a classifier serves.

    Examples:
    vidtags taxonomies list
    vidtags taxonomies list --local --json
    """
    entries = _local_entries() if local else _served_entries(classifier)
    if as_json:
        print_document(entries)
    else:
        print_entries(entries)


def show(
    name: Annotated[str, typer.Argument(metavar="ID|FILE", help="id, id@version, or a YAML file.")],
    classifier: options.Classifier = options.CLASSIFIER,
    local: Local = False,
    as_yaml: Annotated[bool, typer.Option("--yaml", help="As YAML, to make your own of it.")] = False,
    as_json: options.AsJson = False,
) -> None:
    """Show one taxonomy with its tags.

    Examples:
    vidtags taxonomies show music-moods
    vidtags taxonomies show music-moods@1.0.0 --yaml > my-moods.yaml
    vidtags taxonomies show my-moods.yaml
    """
    if as_yaml and as_json:
        raise Mistake("give --yaml or --json, not both")
    taxonomy = _found(name, classifier, local=local)
    if as_yaml:
        with needing("classifier"):
            from classifier_service.taxonomy_file import dump_taxonomy  # noqa: PLC0415
        print(dump_taxonomy(taxonomy), end="")
    elif as_json:
        from classifier_service.taxonomy import stated  # noqa: PLC0415

        print_document(stated(taxonomy))
    else:
        print_taxonomy(taxonomy)


def check(
    files: Annotated[list[str], typer.Argument(metavar="FILE...", help="YAML files.")],
    quick: Annotated[bool, typer.Option("--quick", help="Without what takes a model to find: tags alike.")] = False,
    as_json: options.AsJson = False,
) -> None:
    """Check files of taxonomies: every fault and every warning with file, line and tag.

    Where the embedded engine is installed, its encoder also finds tags that mean nearly the same.

    Exit code 0: no faults, though there may be warnings; 2: faults.

    Examples:
    vidtags taxonomies check my-moods.yaml
    vidtags taxonomies check taxonomies/*.yaml --json
    """
    inspect = _inspector(quick=quick)
    reports: list[dict[str, Any]] = []
    for file in files:
        found = inspect(Path(file).read_bytes(), name=file)
        reports.append(
            {
                "file": file,
                "faults": [{"line": fault.line, "message": fault.message} for fault in found.faults],
                "warnings": [{"line": fault.line, "message": fault.message} for fault in found.warnings],
            }
        )
        if as_json:
            continue
        for fault in found.faults:
            print(fault)
        for warning in found.warnings:
            print(str(warning).replace(": ", ": warning: ", 1))
        if found.taxonomy is not None:
            print(f"{file}: {found.taxonomy.id} {found.taxonomy.version}, {len(found.taxonomy.active)} tags, no faults")
    if as_json:
        print_document(reports)
    raise typer.Exit(MISTAKE if any(report["faults"] for report in reports) else OK)


add(app, list_, "list")
add(app, show)
add(app, check)
add_exchange(app, lambda name, classifier: _found(name, classifier, local=False))


def _found(name: str, classifier: str, *, local: bool) -> Taxonomy:
    if is_file(name):
        return read_file(name)
    if local:
        return _packaged().find(name)
    with needing("classifier"):
        from classifier_service.taxonomy_translation import to_taxonomy  # noqa: PLC0415
    from vidtomusictags.client.classifier import ClassifierClient  # noqa: PLC0415

    with ClassifierClient(classifier, credentials=chosen_credentials()) as client:
        return to_taxonomy(client.taxonomy(name))


def _inspector(*, quick: bool) -> Callable[..., Inspection]:
    with needing("classifier"):
        from classifier_service.engines.late_shortlister import can_shortlist  # noqa: PLC0415
        from classifier_service.taxonomy_file import inspect_taxonomy  # noqa: PLC0415
    if quick or not can_shortlist():
        return inspect_taxonomy
    from classifier_service.taxonomy_measured import inspect_closely  # noqa: PLC0415

    return inspect_closely


def _packaged() -> TaxonomyStore:
    with needing("classifier"):
        from classifier_service.taxonomy_store import TaxonomyStore  # noqa: PLC0415
    return TaxonomyStore.load()


def _local_entries() -> list[dict[str, Any]]:
    return [
        {
            "id": taxonomy.id,
            "version": taxonomy.version,
            "digest": taxonomy.digest,
            "title": taxonomy.title,
            "description": taxonomy.description,
            "language": taxonomy.language,
            "active_tags": len(taxonomy.active),
            "facets": [facet.id for facet in taxonomy.facets],
        }
        for taxonomy in _packaged().all
    ]


def _served_entries(classifier: str) -> list[dict[str, Any]]:
    from vidtomusictags.client.classifier import ClassifierClient  # noqa: PLC0415
    from vidtomusictags.client.plain import plain  # noqa: PLC0415

    with ClassifierClient(classifier, credentials=chosen_credentials()) as client:
        entries = [plain(entry) for entry in client.taxonomies()]
    return [{**entry.pop("ref"), **entry} for entry in entries]

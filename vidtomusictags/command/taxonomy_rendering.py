"""Taxonomies for people."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from rich.table import Table
from rich.text import Text

from vidtomusictags.command.rendering import stdout
from vidtomusictags.command.text import printable

if TYPE_CHECKING:
    from classifier_service.taxonomy import Taxonomy


def print_entries(entries: Sequence[dict[str, Any]]) -> None:
    """One line for each taxonomy."""
    table = Table(box=None, header_style="dim", pad_edge=False, padding=(0, 2, 0, 0))
    table.add_column("taxonomy", style="bold", no_wrap=True)
    table.add_column("version", no_wrap=True)
    table.add_column("tags", justify="right")
    table.add_column("what it is")
    for entry in entries:
        about = entry["title"] or entry["description"]
        default = " (default)" if entry.get("is_default") else ""
        table.add_row(
            Text(printable(entry["id"])),
            Text(printable(entry["version"])),
            str(entry["active_tags"]),
            Text(printable(f"{about}{default}")),
        )
    stdout().print(table)


def print_taxonomy(taxonomy: Taxonomy) -> None:
    """One taxonomy with its tags, by facet as they stand in the file."""
    console = stdout()
    console.print(Text(printable(f"{taxonomy.id} {taxonomy.version}  {taxonomy.title}"), style="bold"))
    if taxonomy.description:
        console.print(Text(printable(taxonomy.description)))
    console.print()
    table = Table(box=None, header_style="dim", pad_edge=False, padding=(0, 2, 0, 0))
    table.add_column("tag", style="bold", overflow="fold")
    table.add_column("label", overflow="fold")
    if taxonomy.facets:
        table.add_column("facet", style="dim")
    table.add_column("what is seen", ratio=1)
    for tag in taxonomy.tags:
        facet = [Text(printable(tag.facet))] if taxonomy.facets else []
        about = f"deprecated, use {tag.replaced_by}" if tag.replaced_by else tag.description
        table.add_row(Text(printable(tag.id)), Text(printable(tag.label)), *facet, Text(printable(about)))
    console.print(table)

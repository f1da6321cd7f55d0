"""A taxonomy as it is named on the command line: an id for the service, or a file that is read and checked here."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from vidtomusictags.command.extras import needing

if TYPE_CHECKING:
    from classifier_service.taxonomy import Taxonomy
    from vidtomusictags.classifier.v1 import classifier_pb2

_SUFFIXES = (".yaml", ".yml")


def is_file(argument: str) -> bool:
    """Whether a taxonomy is meant by its file: it ends in .yaml or .yml, or there is a file of that name."""
    return argument.endswith(_SUFFIXES) or Path(argument).is_file()


def read_file(path: str) -> Taxonomy:
    """The taxonomy in a file. Raises TaxonomyInvalid with every fault, OSError, and Mistake without the libraries."""
    with needing("classifier"):
        from classifier_service.taxonomy_file import read_taxonomy  # noqa: PLC0415  # only where a file is named
    return read_taxonomy(Path(path).read_bytes(), name=path)


def for_service(argument: str | None) -> str | classifier_pb2.Taxonomy | None:
    """What to send: an id as it is, or the whole content of a file. Raises what `read_file` raises."""
    if argument is None or not is_file(argument):
        return argument
    taxonomy = read_file(argument)
    from classifier_service.taxonomy_translation import taxonomy_message  # noqa: PLC0415

    return taxonomy_message(taxonomy)

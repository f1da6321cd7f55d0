"""The taxonomies that a service offers: read once, then only looked up."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from importlib import resources
from importlib.resources.abc import Traversable
from pathlib import Path

from classifier_service.nearest import nearest
from classifier_service.taxonomy import Taxonomy
from classifier_service.taxonomy_faults import Fault, FaultyTaxonomy, quoted
from classifier_service.taxonomy_file import inspect_taxonomy
from classifier_service.taxonomy_version import precedence
from classifier_service.taxonomy_yaml import MOST_BYTES
from vidtomusictags.rpc.failures import UnknownTaxonomy

_MOST_NAMED = 20
_SUFFIXES = (".yaml", ".yml")


class TaxonomyStore:
    """Taxonomies by id and version. Immutable, so safe in every thread."""

    def __init__(self, taxonomies: Iterable[Taxonomy]) -> None:
        """taxonomies: checked ones. Raises FaultyTaxonomy where two of one id and version differ in content."""
        by_name: dict[tuple[str, str], Taxonomy] = {}
        faults = []
        for taxonomy in taxonomies:
            first = by_name.setdefault((taxonomy.id, taxonomy.version), taxonomy)
            if first.digest != taxonomy.digest:
                faults.append(Fault((), _conflict(taxonomy)))
        if faults:
            raise FaultyTaxonomy(faults)
        newest_first = sorted(by_name.values(), key=lambda taxonomy: precedence(taxonomy.version), reverse=True)
        self._taxonomies = tuple(sorted(newest_first, key=lambda taxonomy: taxonomy.id))

    @classmethod
    def load(cls, directories: Sequence[Path] = ()) -> TaxonomyStore:
        """The packaged taxonomies and those of every `*.yaml` and `*.yml` directly in `directories`.

        Raises FaultyTaxonomy with the faults of all files at once. Its message names files as `directories` does, so
        it is for whoever starts the service and not for callers.
        """
        taxonomies: list[Taxonomy] = []
        faults: list[Fault] = []
        for name, file in _files(directories, faults):
            inspection = inspect_taxonomy(_bytes(file), name=name)
            faults += inspection.faults
            if inspection.taxonomy is not None:
                taxonomies.append(inspection.taxonomy)
        if faults:
            raise FaultyTaxonomy(faults)
        return cls(taxonomies)

    @property
    def all(self) -> Sequence[Taxonomy]:
        """Every version of every taxonomy: by id, then newest first."""
        return self._taxonomies

    def find(self, name: str, *, field: str = "taxonomy_id") -> Taxonomy:
        """The taxonomy called `name`: `id` for its newest release, or `id@version`.

        field: the request field that a failure names. Raises UnknownTaxonomy with what there is instead.
        """
        id, _, version = name.partition("@")
        versions = [taxonomy for taxonomy in self._taxonomies if taxonomy.id == id]
        if not versions:
            raise UnknownTaxonomy(self._no_such_id(id), field=field)
        if not version and "@" not in name:
            return versions[0]
        for taxonomy in versions:
            if taxonomy.version == version:
                return taxonomy
        there_are = _some(taxonomy.version for taxonomy in versions)
        message = f"Taxonomy {id} has no version {quoted(version)}. Served: {there_are}."
        raise UnknownTaxonomy(message, field=field)

    def _no_such_id(self, id: str) -> str:
        ids = list(dict.fromkeys(taxonomy.id for taxonomy in self._taxonomies))
        likely = nearest(id, ids)
        meant = f" Did you mean {likely}?" if likely else ""
        return f"No taxonomy is called {quoted(id)}.{meant} Served: {_some(ids) or 'none'}."


def _conflict(taxonomy: Taxonomy) -> str:
    return (
        f"two different taxonomies call themselves {taxonomy.id}@{taxonomy.version}; "
        "give the changed one a new version, or take one of the files away"
    )


def _some(names: Iterable[str]) -> str:
    listed = list(names)
    left = len(listed) - _MOST_NAMED
    return ", ".join(listed[:_MOST_NAMED]) + (f" and {left} more" if left > 0 else "")


def _files(directories: Sequence[Path], faults: list[Fault]) -> Iterator[tuple[str, Traversable]]:
    """Name and file of each taxonomy, in order of names; directories that are none go into `faults`."""
    packaged = resources.files("classifier_service") / "taxonomies"
    for folder, prefix in ((packaged, ""), *((directory, f"{directory}/") for directory in directories)):
        if not folder.is_dir():
            faults.append(Fault((), "is not a directory of taxonomies", source=str(folder)))
            continue
        for file in sorted(folder.iterdir(), key=lambda file: file.name):
            if file.name.endswith(_SUFFIXES) and file.is_file():
                yield prefix + file.name, file


def _bytes(file: Traversable) -> bytes:
    """At most one byte more than may be read, which is enough to refuse it."""
    with file.open("rb") as opened:
        return opened.read(MOST_BYTES + 1)

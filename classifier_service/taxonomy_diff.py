"""What changed between two versions of a taxonomy, and the results of which tags the change can touch."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, fields

from classifier_service.taxonomy import Facet, Status, Tag, Taxonomy, stated
from classifier_service.taxonomy_version import precedence

_SHOWN_ONLY = frozenset({"labels", "external", "replaced_by"})
"""Fields of a tag that are returned with it, or lead from an old id to a new one, but decide nothing."""
_LIMITS = frozenset({"select", "max", "required"})
_HEAD = ("id", "version", "language", "title", "description")


@dataclass(frozen=True)
class Change:
    """One field that differs. before, after: in JSON's types; None for a field at its default."""

    field: str
    before: object
    after: object


@dataclass(frozen=True)
class Changed:
    """A tag or facet that is in both versions and not the same."""

    id: str
    changes: Sequence[Change]


@dataclass(frozen=True)
class Entries:
    """What happened to the tags, or to the facets. reordered: those that stayed come in another order."""

    added: Sequence[str]
    removed: Sequence[str]
    changed: Sequence[Changed]
    reordered: bool


@dataclass(frozen=True)
class TaxonomyDiff:
    """head: changes of the taxonomy's own fields. touched: tags of the new version, each with the reasons why its
    results can differ from before. advice: rules of versions that the change does not keep.
    """

    head: Sequence[Change]
    facets: Entries
    tags: Entries
    touched: Mapping[str, Sequence[str]]
    advice: Sequence[str]

    @property
    def is_empty(self) -> bool:
        """Whether the contents are equal."""
        return not (self.head or _any(self.facets) or _any(self.tags))


def diff(old: Taxonomy, new: Taxonomy) -> TaxonomyDiff:
    """Compares two taxonomies that passed their check; tags and facets are told apart by their ids."""
    head = tuple(_changes(old, new, _HEAD))
    facets = _entries({facet.id: facet for facet in old.facets}, {facet.id: facet for facet in new.facets})
    tags = _entries(old.by_id, new.by_id)
    touched: dict[str, list[str]] = {}
    for id, reason in _reasons(old, new, facets, tags):
        if new.by_id[id].status is Status.ACTIVE and reason not in touched.setdefault(id, []):
            touched[id].append(reason)
    ordered = {tag.id: tuple(touched[tag.id]) for tag in new.active if tag.id in touched}
    found = TaxonomyDiff(head, facets, tags, ordered, ())
    return TaxonomyDiff(head, facets, tags, ordered, tuple(_advice(old, new, found)))


def _any(entries: Entries) -> bool:
    return bool(entries.added or entries.removed or entries.changed or entries.reordered)


def _entries(old: Mapping[str, Tag] | Mapping[str, Facet], new: Mapping[str, Tag] | Mapping[str, Facet]) -> Entries:
    changed = []
    for id in new:
        if id in old and (changes := tuple(_changes(old[id], new[id], [one.name for one in fields(new[id])]))):
            changed.append(Changed(id, changes))
    return Entries(
        added=tuple(id for id in new if id not in old),
        removed=tuple(id for id in old if id not in new),
        changed=tuple(changed),
        reordered=[id for id in old if id in new] != [id for id in new if id in old],
    )


def _changes(old: object, new: object, names: Sequence[str]) -> Iterator[Change]:
    for name in names:
        before, after = stated(getattr(old, name)), stated(getattr(new, name))
        if before != after:
            yield Change(name, before, after)


def _reasons(old: Taxonomy, new: Taxonomy, facets: Entries, tags: Entries) -> Iterator[tuple[str, str]]:
    """Tags with a reason each. A tag is weighed against the others of its facet, so what joins or leaves it counts."""
    yield from ((id, "added") for id in tags.added)
    moved = {id: new.by_id[id].facet for id in tags.added} | {id: old.by_id[id].facet for id in tags.removed}
    for changed in tags.changed:
        names = [change.field for change in changed.changes if change.field not in _SHOWN_ONLY]
        if names:
            yield changed.id, f"changed: {', '.join(names)}"
        before, after = old.by_id[changed.id], new.by_id[changed.id]
        if before.status is not after.status:
            moved[changed.id] = after.facet
        if before.facet != after.facet:
            yield from _mates(new, before.facet, changed.id, f"{changed.id} left its facet")
            yield from _mates(new, after.facet, changed.id, f"{changed.id} joined its facet")
        for other in set(before.excludes) ^ set(after.excludes):
            if other in new.by_id:
                yield other, f"{changed.id} excludes it, or no longer does"
    for id, facet in moved.items():
        verb = "left" if id in tags.removed or new.by_id[id].status is Status.DEPRECATED else "joined"
        yield from _mates(new, facet, id, f"{id} {verb} its facet")
    for changed in facets.changed:
        if names := [change.field for change in changed.changes if change.field in _LIMITS]:
            yield from _mates(new, changed.id, "", f"facet changed: {', '.join(names)}")


def _mates(taxonomy: Taxonomy, facet: str, apart_from: str, reason: str) -> Iterator[tuple[str, str]]:
    yield from ((tag.id, reason) for tag in taxonomy.active if tag.facet == facet and tag.id != apart_from)


def _advice(old: Taxonomy, new: Taxonomy, found: TaxonomyDiff) -> Iterator[str]:
    if found.is_empty:
        return
    if old.id != new.id:
        yield f"the ids differ ({old.id}, {new.id}): these are two taxonomies, not two versions of one"
    elif precedence(new.version) <= precedence(old.version):
        yield f"the content differs, so the version must rise above {old.version}"
    for id in found.tags.removed:
        yield f"tag {id} is gone; deprecate it with replaced_by, so that requests and old answers keep their meaning"
    for changed in found.tags.changed:
        if {"label", "description"} <= {change.field for change in changed.changes}:
            yield f"tag {changed.id} has another label and description; a new meaning needs a new id"

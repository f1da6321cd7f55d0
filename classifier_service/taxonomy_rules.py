"""Rules between the tags and facets of a taxonomy, and the one check that runs every rule.

The same rules hold for files and for taxonomies that come with a request.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from itertools import chain

from classifier_service.taxonomy import Status, Tag, Taxonomy
from classifier_service.taxonomy_faults import MOST_BYTES_ON_THE_WIRE, Fault, FaultyTaxonomy, Place, owner_name, quoted
from classifier_service.taxonomy_values import MOST_ENTRIES, MOST_TAGS, value_faults

MOST_LEVELS = 10
"""Of parents above a tag."""

_INLINE = "inline taxonomy"
_SHOWN_OF_A_CYCLE = 6


def check_taxonomy(taxonomy: Taxonomy, *, name: str = _INLINE, elsewhere: frozenset[str] | None = None) -> list[Fault]:
    """Everything that is wrong; an empty list if nothing is.

    name: stands before each fault, as a file name would.
    elsewhere: ids of further tags that exist but are judged elsewhere; None: `taxonomy` is the whole.
    """
    faults: Iterable[Fault]
    if len(taxonomy.tags) > MOST_TAGS:
        faults = [Fault(("tags",), f"there may be at most {MOST_TAGS} tags, not {len(taxonomy.tags)}")]
    else:
        faults = chain(value_faults(taxonomy), _between(taxonomy, elsewhere))
    return [fault.located(name, lambda place: None) for fault in faults]


def refuse_faulty(taxonomy: Taxonomy, *, field: str) -> None:
    """Raises FaultyTaxonomy (a TaxonomyInvalid) for a taxonomy of a request, short enough for a status message.

    field: the request field that holds the taxonomy.
    """
    if faults := check_taxonomy(taxonomy):
        raise FaultyTaxonomy(faults, field=field, most_bytes=MOST_BYTES_ON_THE_WIRE)


def _between(taxonomy: Taxonomy, elsewhere: frozenset[str] | None) -> Iterator[Fault]:
    ids = {tag.id for tag in taxonomy.tags} | (elsewhere or frozenset())
    facets = {facet.id for facet in taxonomy.facets}
    if elsewhere is None:
        yield from _usable(taxonomy)
    yield from _repeated_ids(taxonomy)
    yield from _repeated_labels(taxonomy)
    for position, tag in enumerate(taxonomy.tags):
        yield from _references(position, tag, ids, facets)
        yield from _status(position, tag)
    tags = {tag.id: (position, tag) for position, tag in enumerate(taxonomy.tags)}
    yield from _cycles(tags, "parent", lambda tag: tag.parent)
    yield from _cycles(tags, "replaced_by", lambda tag: tag.replaced_by)
    yield from _exclusions(taxonomy.tags, {tag.id: tag.parent for tag in taxonomy.tags})


def _usable(taxonomy: Taxonomy) -> Iterator[Fault]:
    if not taxonomy.active:
        yield Fault(("tags",), "there must be at least one tag that is active" if taxonomy.tags else "tags is empty")
    used = {tag.facet for tag in taxonomy.active}
    for position, facet in enumerate(taxonomy.facets):
        if facet.required and facet.id not in used:
            problem = "required must be false where the facet has no active tag, or every answer would fail"
            yield Fault(("facets", position, "required"), problem, owner_name("facet", facet.id, position))


def _repeated_ids(taxonomy: Taxonomy) -> Iterator[Fault]:
    facets: dict[str, int] = {}
    for position, facet in enumerate(taxonomy.facets):
        first = facets.setdefault(facet.id, position)
        if first != position:
            owner = owner_name("facet", facet.id, position)
            yield Fault(("facets", position, "id"), "id is used twice", owner, earlier=("facets", first, "id"))
    tags: dict[str, int] = {}
    for position, tag in enumerate(taxonomy.tags):
        first = tags.setdefault(tag.id, position)
        owner, place = owner_name("tag", tag.id, position), ("tags", position, "id")
        if first != position:
            yield Fault(place, "id is used twice", owner, earlier=("tags", first, "id"))
        elif tag.id in facets:  # include and exclude name tags and facets alike
            yield Fault(place, "id is also the id of a facet; choose another", owner)


def _repeated_labels(taxonomy: Taxonomy) -> Iterator[Fault]:
    """A deprecated tag may keep the label that its successor has now: only active tags are ever read side by side."""
    seen: dict[tuple[str, str], tuple[int, Tag]] = {}
    for position, tag in enumerate(taxonomy.tags):
        if tag.status is not Status.ACTIVE or not tag.label:
            continue
        first, other = seen.setdefault((tag.facet, tag.label.casefold()), (position, tag))
        if first != position and tag.id != other.id:
            where = f" in facet {tag.facet}" if tag.facet else ""
            problem = f"label is the same as that of {owner_name('tag', other.id, first)}{where}"
            place = ("tags", position, "label")
            yield Fault(place, problem, owner_name("tag", tag.id, position), earlier=("tags", first, "label"))


def _references(position: int, tag: Tag, ids: set[str], facets: set[str]) -> Iterator[Fault]:
    owner, place = owner_name("tag", tag.id, position), ("tags", position)
    if tag.facet and tag.facet not in facets:
        yield _unknown((*place, "facet"), owner, tag.facet, facets)
    if tag.parent and tag.parent not in ids:
        yield _unknown((*place, "parent"), owner, tag.parent, ids)
    if tag.replaced_by and tag.replaced_by not in ids:
        yield _unknown((*place, "replaced_by"), owner, tag.replaced_by, ids)
    for entry, excluded in enumerate(tag.excludes[:MOST_ENTRIES]):
        if excluded not in ids:
            yield _unknown((*place, "excludes", entry), owner, excluded, ids)


def _unknown(place: Place, owner: str, name: str, known: set[str]) -> Fault:
    key = place[2]
    kind = "facet" if key == "facet" else "tag"
    return Fault(place, f"{key} names no {kind} of this taxonomy: {quoted(name)}", owner, name, known)


def _status(position: int, tag: Tag) -> Iterator[Fault]:
    owner, place = owner_name("tag", tag.id, position), ("tags", position)
    if tag.status is Status.DEPRECATED and not tag.replaced_by:
        yield Fault((*place, "status"), "a deprecated tag must say replaced_by, the tag to use instead", owner)
    elif tag.replaced_by and tag.status is not Status.DEPRECATED:
        yield Fault((*place, "replaced_by"), "replaced_by needs status: deprecated", owner)


def _cycles(tags: Mapping[str, tuple[int, Tag]], key: str, next_of: Callable[[Tag], str]) -> Iterator[Fault]:
    """One fault a cycle, at its first tag in the order of the taxonomy. Every tag is visited once."""
    finished: set[str] = set()
    for start in tags:
        path: dict[str, None] = {}
        id = start
        while id and id in tags and id not in finished and id not in path:  # an empty id is a fault of its own
            path[id] = None
            id = next_of(tags[id][1])
        if id in path:
            walked = list(path)
            cycle = walked[walked.index(id) :]
            yield _cycle(tags, key, cycle)
        finished.update(path)


def _cycle(tags: Mapping[str, tuple[int, Tag]], key: str, cycle: Sequence[str]) -> Fault:
    first = min(range(len(cycle)), key=lambda index: tags[cycle[index]][0])
    turned = [*cycle[first:], *cycle[:first]]
    shown = [owner_name("tag", id, tags[id][0]).removeprefix("tag ") for id in turned[:_SHOWN_OF_A_CYCLE]]
    if len(turned) > _SHOWN_OF_A_CYCLE:
        shown.append("…")
    position, tag = tags[turned[0]]
    problem = f"{key} leads in a circle: {' -> '.join([*shown, shown[0]])}"
    return Fault(("tags", position, key), problem, owner_name("tag", tag.id, position))


def _exclusions(tags: Sequence[Tag], parents: Mapping[str, str]) -> Iterator[Fault]:
    """Exclusion works both ways, so neither a tag nor its ancestor may exclude the other: both are true together."""
    above = {tag.id: _ancestors(tag.id, parents) for tag in tags}
    for position, tag in enumerate(tags):
        owner = owner_name("tag", tag.id, position)
        if len(above[tag.id]) > MOST_LEVELS:
            problem = f"there may be at most {MOST_LEVELS} levels of parents above a tag"
            yield Fault(("tags", position, "parent"), problem, owner)
        for entry, excluded in enumerate(tag.excludes[:MOST_ENTRIES]):
            place = ("tags", position, "excludes", entry)
            if excluded == tag.id:
                yield Fault(place, "excludes names the tag itself", owner)
            elif excluded in above[tag.id]:
                yield Fault(place, f"excludes names {excluded}, a parent of this tag", owner)
            elif tag.id in above.get(excluded, ()):
                yield Fault(place, f"excludes names {excluded}, which has this tag as a parent", owner)


def _ancestors(id: str, parents: Mapping[str, str]) -> list[str]:
    """Parents above a tag, nearest first, at most one more than may be; a circle is followed once."""
    found: list[str] = []
    above = parents.get(id, "")
    while above and above != id and above not in found and len(found) <= MOST_LEVELS:
        found.append(above)
        above = parents.get(above, "")
    return found

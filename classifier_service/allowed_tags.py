"""Which tags a caller allows: the include and exclude lists of a request, resolved against a taxonomy."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from classifier_service.nearest import nearest
from classifier_service.taxonomy import Status, Taxonomy
from classifier_service.taxonomy_faults import quoted
from vidtomusictags.rpc.failures import InvalidRequest, UnknownTag

_MOST_NAMED = 5


def allowed_tags(taxonomy: Taxonomy, include: Sequence[str], exclude: Sequence[str]) -> frozenset[str]:
    """Ids of the active tags that are included (all, if `include` is empty) and not excluded.

    An entry is the id of a tag, which means that tag alone and not those below it, or the id of a facet, which means
    all of the facet's tags; the check of taxonomies keeps the two apart. A deprecated tag stands for the tag that
    replaced it.

    Raises UnknownTag (field `options.include` or `options.exclude`) for entries that are neither, and InvalidRequest
    (field `options.include`, or `options.exclude` if nothing was included) where no tag is left.
    """
    included = _resolved(taxonomy, include, "options.include")
    excluded = _resolved(taxonomy, exclude, "options.exclude")
    allowed = (included if include else frozenset(tag.id for tag in taxonomy.active)) - excluded
    if not allowed:
        message = f"No tag of {taxonomy.id} is left by include and exclude; name fewer in exclude or more in include."
        raise InvalidRequest(message, field="options.include" if include else "options.exclude")
    return allowed


def _resolved(taxonomy: Taxonomy, entries: Sequence[str], field: str) -> frozenset[str]:
    facets = {facet.id for facet in taxonomy.facets}
    unknown = [entry for entry in entries if entry not in taxonomy.by_id and entry not in facets]
    if unknown:
        raise UnknownTag(_unknown_message(taxonomy, unknown, [*taxonomy.by_id, *facets]), field=field)
    tags = {_in_use(taxonomy, entry) for entry in entries if entry in taxonomy.by_id}
    named = facets.intersection(entries)
    return frozenset(tags | {tag.id for tag in taxonomy.active if tag.facet in named})


def _in_use(taxonomy: Taxonomy, id: str) -> str:
    """The id itself, or for a deprecated tag the end of its chain of successors, which a checked taxonomy has."""
    while (tag := taxonomy.by_id[id]).status is Status.DEPRECATED:
        id = tag.replaced_by
    return id


def _unknown_message(taxonomy: Taxonomy, unknown: Sequence[str], known: Iterable[str]) -> str:
    ids = list(known)
    named = []
    for entry in unknown[:_MOST_NAMED]:
        likely = nearest(entry, ids)
        named.append(f"{quoted(entry)} (did you mean {likely}?)" if likely else quoted(entry))
    left = len(unknown) - len(named)
    more = f" and {left} more" if left else ""
    return f"No tag or facet of {taxonomy.id} has the id {', '.join(named)}{more}."

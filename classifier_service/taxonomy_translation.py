"""Taxonomies of requests and replies, and those of the classifier, each turned into the other."""

from __future__ import annotations

from classifier_service.taxonomy import Facet, Role, Select, Status, Tag, Taxonomy
from vidtomusictags.classifier.v1 import classifier_pb2 as pb

_SELECTS = {Select.ONE: pb.FACET_SELECT_ONE, Select.MANY: pb.FACET_SELECT_MANY}
_ROLES = {Role.DESCRIBES: pb.TAG_ROLE_DESCRIBES, Role.GOOD_FOR: pb.TAG_ROLE_GOOD_FOR}
_STATUSES = {Status.ACTIVE: pb.TAG_STATUS_ACTIVE, Status.DEPRECATED: pb.TAG_STATUS_DEPRECATED}
_TO_SELECT = {message: value for value, message in _SELECTS.items()}
_TO_ROLE = {message: value for value, message in _ROLES.items()}
_TO_STATUS = {message: value for value, message in _STATUSES.items()}


def to_taxonomy(message: pb.Taxonomy) -> Taxonomy:
    """The taxonomy of a request, unchecked; `taxonomy_rules.refuse_faulty` judges it."""
    return Taxonomy(
        id=message.id,
        version=message.version,
        language=message.language or "en",
        title=message.title,
        description=message.description,
        facets=tuple(_to_facet(facet) for facet in message.facets),
        tags=tuple(_to_tag(tag) for tag in message.tags),
    )


def taxonomy_message(taxonomy: Taxonomy) -> pb.Taxonomy:
    """The whole taxonomy."""
    return pb.Taxonomy(
        id=taxonomy.id,
        version=taxonomy.version,
        language=taxonomy.language,
        title=taxonomy.title,
        description=taxonomy.description,
        facets=[_facet_message(facet) for facet in taxonomy.facets],
        tags=[_tag_message(tag) for tag in taxonomy.tags],
    )


def _to_facet(message: pb.Facet) -> Facet:
    return Facet(
        id=message.id,
        label=message.label,
        description=message.description,
        select=_TO_SELECT.get(message.select, Select.MANY),
        max=message.max or None,
        required=message.required,
    )


def _facet_message(facet: Facet) -> pb.Facet:
    return pb.Facet(
        id=facet.id,
        label=facet.label,
        description=facet.description,
        select=_SELECTS[facet.select],
        max=facet.max or 0,
        required=facet.required,
    )


def _to_tag(message: pb.Tag) -> Tag:
    return Tag(
        id=message.id,
        label=message.label,
        facet=message.facet,
        labels=dict(message.labels),
        description=message.description,
        synonyms=tuple(message.synonyms),
        examples=tuple(message.examples),
        cues_for=tuple(message.cues.supporting),
        cues_against=tuple(message.cues.opposing),
        parent=message.parent,
        excludes=tuple(message.excludes),
        role=_TO_ROLE.get(message.role, Role.DESCRIBES),
        threshold=_as_written(message.threshold) if message.HasField("threshold") else None,
        external=dict(message.external),
        status=_TO_STATUS.get(message.status, Status.ACTIVE),
        replaced_by=message.replaced_by,
    )


def _tag_message(tag: Tag) -> pb.Tag:
    return pb.Tag(
        id=tag.id,
        label=tag.label,
        facet=tag.facet,
        labels=dict(tag.labels),
        description=tag.description,
        synonyms=list(tag.synonyms),
        examples=list(tag.examples),
        cues=pb.Cues(supporting=list(tag.cues_for), opposing=list(tag.cues_against)),
        parent=tag.parent,
        excludes=list(tag.excludes),
        role=_ROLES[tag.role],
        threshold=tag.threshold,
        external=dict(tag.external),
        status=_STATUSES[tag.status],
        replaced_by=tag.replaced_by,
    )


def _as_written(threshold: float) -> float:
    """0.55 for the float that travelled as 0.550000011920929: a digest must not depend on the way here."""
    return float(f"{threshold:.7g}")

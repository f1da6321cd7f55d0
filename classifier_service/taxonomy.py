"""A customer's vocabulary as the service holds it: facets, tags and the rules between them."""

from __future__ import annotations

import enum
import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import MISSING, Field, dataclass, field, fields
from functools import cached_property
from typing import Any


class Select(enum.Enum):
    """How many tags of a facet an answer may hold."""

    ONE = "one"
    MANY = "many"


class Role(enum.Enum):
    """What a tag says of a video: a quality it has, or a use it is fit for (DDEX Theme / Activity)."""

    DESCRIBES = "describes"
    GOOD_FOR = "good_for"


class Status(enum.Enum):
    """A deprecated tag is never returned; it names the tag that replaced it."""

    ACTIVE = "active"
    DEPRECATED = "deprecated"


@dataclass(frozen=True)
class Facet:
    """A group of tags that answer the same question, such as mood or genre."""

    id: str
    label: str = ""
    description: str = ""
    select: Select = Select.MANY
    max: int | None = None
    required: bool = False


@dataclass(frozen=True)
class Tag:
    """One entry of the vocabulary. `id` is stable and never reused; `label` is what people read."""

    id: str
    label: str
    facet: str = ""
    labels: Mapping[str, str] = field(default_factory=dict)
    """Further labels by BCP 47 language tag."""
    description: str = ""
    synonyms: Sequence[str] = ()
    examples: Sequence[str] = ()
    """Sentences about videos that deserve the tag."""
    cues_for: Sequence[str] = ()
    cues_against: Sequence[str] = ()
    parent: str = ""
    excludes: Sequence[str] = ()
    role: Role = Role.DESCRIBES
    threshold: float | None = None
    """Least confidence to be returned, 0 to 1; absent: the engine's default."""
    external: Mapping[str, str] = field(default_factory=dict)
    """Codes of the same tag in other systems."""
    status: Status = Status.ACTIVE
    replaced_by: str = ""


@dataclass(frozen=True)
class Taxonomy:
    """A version of a vocabulary. Build it with `taxonomy_file.read_taxonomy`, which checks it."""

    id: str
    version: str
    tags: Sequence[Tag]
    facets: Sequence[Facet] = ()
    language: str = "en"
    title: str = ""
    description: str = ""

    @cached_property
    def digest(self) -> str:
        """sha256 of the whole content in canonical JSON, as lower-case hex: equal content, equal digest.

        What is at its default is left out, so a field that a later release adds changes no digest.
        """
        content = json.dumps(stated(self), sort_keys=True, ensure_ascii=False)
        return hashlib.sha256(content.encode()).hexdigest()

    @cached_property
    def by_id(self) -> Mapping[str, Tag]:
        """Every tag, deprecated ones too, by its id."""
        return {tag.id: tag for tag in self.tags}

    @cached_property
    def active(self) -> Sequence[Tag]:
        """The tags that may be returned, in the order of the file."""
        return tuple(tag for tag in self.tags if tag.status is Status.ACTIVE)


def stated(value: object) -> object:
    """What a value says, in JSON's types; a taxonomy, facet or tag as a dict without fields at their default."""
    if isinstance(value, Taxonomy | Facet | Tag):
        said = {one.name: (stated(getattr(value, one.name)), _default(one)) for one in fields(value)}
        return {name: content for name, (content, default) in said.items() if content != default}
    if isinstance(value, enum.Enum):
        return value.value
    if isinstance(value, Mapping):
        return dict(value)
    return [stated(entry) for entry in value] if isinstance(value, list | tuple) else value


def _default(one: Field[Any]) -> object:
    """A field's default as `stated` would give it; for a required field, a value that equals nothing."""
    if one.default_factory is not MISSING:
        return stated(one.default_factory())
    return _REQUIRED if one.default is MISSING else stated(one.default)


_REQUIRED = object()

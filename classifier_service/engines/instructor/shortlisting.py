"""Decides which tags are put before the model: all, or of a large taxonomy those that a summary could be about."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from classifier_service.engines.engine import Question, Shortlist
from classifier_service.taxonomy import Tag, Taxonomy
from vidtomusictags.rpc.failures import InvalidRequest


class Shortlister(Protocol):
    """Ranks tags by how likely a summary is about them. Computes off the event loop."""

    @property
    def name(self) -> str:
        """What ranks, with its revision."""
        ...

    async def prepare(self, taxonomy: Taxonomy) -> None:
        """See `ClassificationEngine`."""
        ...

    async def shortlist(self, question: Question, most: int) -> Sequence[str]:
        """Ids of at most `most` allowed tags, the likeliest first, each facet given room."""
        ...

    async def close(self) -> None: ...


@dataclass(frozen=True)
class SizeLimits:
    """Above either, a shortlist is made.

    Strict modes take only so much in one enumeration: OpenAI's 1,000 values, and 15,000 characters past 250 values.
    """

    most_tags: int = 250
    most_characters: int = 15_000
    shortlist_tags: int = 150


@dataclass(frozen=True)
class Offer:
    """The tags that are put before the model. shortlist: None where these are all of the taxonomy that are active."""

    tags: Sequence[Tag]
    shortlist: Shortlist | None = None


class Offering:
    """shortlister: None where no encoder is installed; then large taxonomies are refused, not cut."""

    def __init__(self, limits: SizeLimits, shortlister: Shortlister | None) -> None:
        self._limits = limits
        self._shortlister = shortlister

    async def prepare(self, taxonomy: Taxonomy) -> None:
        """See `ClassificationEngine`; nothing where all its tags are offered."""
        if self._shortlister is not None and not self._fits(taxonomy.active):
            await self._shortlister.prepare(taxonomy)

    async def offer(self, question: Question) -> Offer:
        """Raises InvalidRequest for a taxonomy that is too large where nothing can make a shortlist."""
        active = question.taxonomy.active
        if self._fits(active):
            return Offer(active)
        allowed = [tag for tag in active if tag.id in question.allowed]
        if self._fits(allowed):
            return Offer(allowed, Shortlist(len(allowed), len(allowed), "include and exclude"))
        if self._shortlister is None:
            raise InvalidRequest(
                f"The taxonomy has {len(allowed)} tags that may be returned, more than a model is asked about at once;"
                " include fewer, or let the operator install the extra `embedded-classifier`, which chooses from them.",
                field="options.include",
            )
        ids = await self._shortlister.shortlist(question, self._limits.shortlist_tags)
        by_id = question.taxonomy.by_id
        return Offer([by_id[id] for id in ids], Shortlist(len(ids), len(allowed), self._shortlister.name))

    async def close(self) -> None:
        """Closes the shortlister."""
        if self._shortlister is not None:
            await self._shortlister.close()

    def _fits(self, tags: Sequence[Tag]) -> bool:
        characters = sum(len(tag.id) for tag in tags)
        return len(tags) <= self._limits.most_tags and characters <= self._limits.most_characters

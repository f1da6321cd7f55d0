"""Taxonomies and questions for the tests of engines."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from classifier_service.engines.engine import Question
from classifier_service.taxonomy import Facet, Select, Tag, Taxonomy

MOODS = Taxonomy(
    id="test-moods",
    version="1.0.0",
    facets=(Facet("mood"), Facet("place", select=Select.ONE)),
    tags=(
        Tag("mood/happy", "Happy", "mood", description="Joyful or celebratory moments; people smile, laugh and dance."),
        Tag("mood/sad", "Sad", "mood", description="Sorrow, loss and loneliness, with people crying or grieving."),
        Tag("mood/angry", "Angry", "mood", description="Conflict, aggression or rage, such as fights and shouting."),
        Tag("place/nature", "Nature", "place", description="Animals, plants, landscapes, weather and wilderness."),
        Tag("place/city", "City", "place", description="Streets, traffic, skylines, subways and crowds in a city."),
    ),
)


@pytest.fixture
def moods() -> Taxonomy:
    """Two facets, five tags."""
    return MOODS


@pytest.fixture
def ask(moods: Taxonomy) -> Callable[..., Question]:
    """A question about a summary, with everything of `moods` allowed unless told otherwise."""

    def question(summary: str, **other: object) -> Question:
        defaults: dict[str, object] = {"taxonomy": moods, "max_tags": 5}
        settings = {**defaults, **other}
        taxonomy = settings["taxonomy"]
        assert isinstance(taxonomy, Taxonomy)
        settings.setdefault("allowed", frozenset(tag.id for tag in taxonomy.active))
        return Question(summary=summary, **settings)  # type: ignore[arg-type]

    return question

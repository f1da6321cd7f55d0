"""Tags borrow the scenes of concepts they resemble."""

from __future__ import annotations

import pytest

from classifier_service.engines.embedded.encoder import Encoder
from classifier_service.engines.embedded.scenes import Scenes, packaged_concepts


def resembled(scenes: Scenes, encoder: Encoder, label: str, *further: str) -> dict[str, float]:
    concepts = packaged_concepts()
    first, *others = encoder.encode([label, *further])
    return {concepts[number].names[0]: share for number, share in scenes.resembled(first, others).items()}


def test_the_packaged_concepts_are_well_formed() -> None:
    concepts = packaged_concepts()
    assert len(concepts) > 50
    assert all(len(concept.scenes) >= 6 and all(concept.names) for concept in concepts)
    everything = [scene for concept in concepts for scene in concept.scenes]
    assert len(set(everything)) == len(everything)
    assert not [scene for scene in everything if not scene.endswith(".")]


@pytest.mark.parametrize(
    ("label", "concept"),
    [("Joyful", "happy"), ("Melancholy", "sad"), ("Business", "corporate"), ("Christmas", "holiday season")],
)
def test_a_label_finds_its_concept_by_any_of_its_names(
    scenes: Scenes, encoder: Encoder, label: str, concept: str
) -> None:
    assert resembled(scenes, encoder, label) == {concept: 1.0}


def test_further_texts_vote_too_and_shares_add_up(scenes: Scenes, encoder: Encoder) -> None:
    shares = resembled(scenes, encoder, "Nature", "wild animals", "mountains")
    assert shares["nature"] == max(shares.values())
    assert "animals" in shares
    assert sum(shares.values()) == pytest.approx(1.0)


def test_a_word_of_its_own_resembles_nothing(scenes: Scenes, encoder: Encoder) -> None:
    assert resembled(scenes, encoder, "Invoice number", "value added tax") == {}

"""How class probabilities become facts on a clip."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from captioner_service.engines.embedded.groups import GroupTable, Place
from captioner_service.engines.embedded.recogniser import Recognition, aggregate

SQUIRREL, BEAGLE, PUG, SOFA = 335, 162, 254, 831


def probabilities(*frames: dict[int, float]) -> NDArray[np.float32]:
    """One row a frame; what is not given is spread over classes that belong to no group."""
    rows = np.zeros((len(frames), 1000), np.float32)
    for row, frame in zip(rows, frames, strict=True):
        row[644] = 1 - sum(frame.values())
        for index, probability in frame.items():
            row[index] = probability
    return rows


def probability_of(recognition: Recognition, phrase: str) -> float:
    return next(group.probability for group in recognition.groups if group.phrase == phrase)


def test_breeds_add_up_to_their_group(table: GroupTable) -> None:
    recognition = aggregate(probabilities({BEAGLE: 0.4, PUG: 0.3}), table)
    assert recognition.groups[0].phrase == "a dog"
    assert recognition.groups[0].probability == pytest.approx(0.7)
    assert recognition.groups[0].kind == ""


def test_a_class_that_is_sure_by_itself_is_named_as_the_kind(table: GroupTable) -> None:
    recognition = aggregate(probabilities({BEAGLE: 0.62, PUG: 0.3}), table)
    assert recognition.groups[0].kind == "Beagle"


def test_a_subject_of_one_shot_in_three_counts_in_full(table: GroupTable) -> None:
    shots = [{BEAGLE: 0.9}] * 2 + [{SOFA: 0.9}] * 4
    recognition = aggregate(probabilities(*shots), table)
    assert probability_of(recognition, "a dog") == pytest.approx(0.9)
    assert probability_of(recognition, "household furniture") == pytest.approx(0.9)


def test_one_frame_of_many_does_not_count_in_full(table: GroupTable) -> None:
    recognition = aggregate(probabilities({BEAGLE: 0.9}, *[{}] * 8), table)
    assert probability_of(recognition, "a dog") == pytest.approx(0.3)


def test_a_category_sums_its_groups(table: GroupTable) -> None:
    recognition = aggregate(probabilities({BEAGLE: 0.4, SQUIRREL: 0.4}), table)
    assert recognition.categories[0].phrase == "an animal"
    assert recognition.categories[0].probability == pytest.approx(0.8)


def test_places_are_those_of_the_mean_over_all_frames(table: GroupTable) -> None:
    recognition = aggregate(probabilities({SQUIRREL: 0.8}, {SOFA: 0.6}), table)
    assert recognition.places == pytest.approx(
        {Place.NATURE: 0.4, Place.BUILT_UP: 0, Place.OUTDOORS: 0, Place.INDOORS: 0.3}
    )

"""The group table says what it means to say, checked against the labels."""

from __future__ import annotations

from collections import Counter

import pytest

from captioner_service.engines.embedded.groups import GroupTable, Place, _resolve


def names_of(table: GroupTable, phrase: str) -> set[str]:
    groups = {group.phrase: group for category in table.categories for group in category.groups}
    return {table.names[index] for index in groups[phrase].classes}


def test_there_is_a_label_for_each_of_the_thousand_classes(table: GroupTable) -> None:
    assert len(table.names) == 1000
    assert (table.names[0], table.names[335], table.names[999]) == ("tench", "fox squirrel", "toilet paper")


def test_no_class_is_in_two_groups(table: GroupTable) -> None:
    counts = Counter(index for category in table.categories for index in category.classes)
    assert [table.names[index] for index, count in counts.items() if count > 1] == []


def test_no_phrase_is_used_twice(table: GroupTable) -> None:
    phrases = [group.phrase for category in table.categories for group in category.groups]
    assert len(phrases) == len(set(phrases))


def test_ranges_begin_and_end_where_their_group_does(table: GroupTable) -> None:
    assert len(names_of(table, "a dog")) == 118
    assert {"Chihuahua", "pug", "Mexican hairless dog"} <= names_of(table, "a dog")
    assert names_of(table, "a cat") == {
        "tabby cat",
        "a cat having a striped coat",
        "Persian cat",
        "Siamese cat",
        "Egyptian Mau",
    }
    assert names_of(table, "a wolf, wild dog or fox") & names_of(table, "a dog") == set()
    assert {"rooster", "great grey owl", "penguin", "king penguin", "albatross"} - names_of(table, "a bird") == {
        "penguin"
    }
    assert "mushroom" not in names_of(table, "food") | names_of(table, "a drink")
    assert {"pizza", "lemon"} <= names_of(table, "food")


def test_two_classes_of_one_name_both_count(table: GroupTable) -> None:
    (rockets,) = (g for c in table.categories for g in c.groups if g.phrase == "a rocket or spacecraft")
    assert rockets.classes == (657, 744, 812)


def test_all_animals_but_pets_and_beasts_of_the_farm_are_met_in_nature(table: GroupTable) -> None:
    elsewhere = {group.phrase for group in table.categories[0].groups if group.place is not Place.NATURE}
    assert elsewhere == {
        "a dog",
        "a cat",
        "a dinosaur or fossil",
        "a horse",
        "a pig or wild boar",
        "grazing animals",
    }


@pytest.mark.parametrize("item", ["dragon", "tench..dragon", "dragon..tench"])
def test_a_class_without_a_label_is_named_in_the_error(item: str) -> None:
    with pytest.raises(ValueError, match="dragon, which is no label"):
        _resolve(item, ["tench", "goldfish"])

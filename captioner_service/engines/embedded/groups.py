"""The table that sums the thousand classes of ImageNet into groups a person would name; its content is groups.json."""

from __future__ import annotations

import json
from dataclasses import dataclass
from enum import Enum
from importlib import resources


class Place(Enum):
    """Where a thing is usually met."""

    NATURE = "nature"
    BUILT_UP = "built-up"
    OUTDOORS = "outdoors"
    """In either."""
    INDOORS = "indoors"


@dataclass(frozen=True)
class Group:
    """Classes that one phrase names.

    classes: indices of ImageNet-1k, ascending.
    place: where such a thing is usually met, if that tells anything.
    name_kinds: whether a single class that is sure is worth adding to the phrase.
    """

    phrase: str
    classes: tuple[int, ...]
    place: Place | None = None
    name_kinds: bool = False


@dataclass(frozen=True)
class Category:
    """Groups of one kind. `phrase` is empty where the kind as a whole would tell a reader nothing."""

    phrase: str
    groups: tuple[Group, ...]

    @property
    def classes(self) -> tuple[int, ...]:
        return tuple(index for group in self.groups for index in group.classes)


@dataclass(frozen=True)
class GroupTable:
    """All categories, and the name of every class without what its label adds in brackets."""

    categories: tuple[Category, ...]
    names: tuple[str, ...]


def load_groups() -> GroupTable:
    """Reads the packaged table. Raises ValueError for a class that labels.txt does not know."""
    package = resources.files(__package__)
    labels = package.joinpath("labels.txt").read_text(encoding="utf-8").splitlines()
    table = json.loads(package.joinpath("groups.json").read_text(encoding="utf-8"))
    categories = tuple(
        Category(
            phrase=category.get("phrase", ""),
            groups=tuple(
                Group(
                    phrase=group["phrase"],
                    classes=tuple(sorted(index for item in group["classes"] for index in _resolve(item, labels))),
                    place=Place(group["place"]) if "place" in group else None,
                    name_kinds=group.get("name_kinds", False),
                )
                for group in category["groups"]
            ),
        )
        for category in table["categories"]
    )
    return GroupTable(categories, tuple(label.partition(" (")[0] for label in labels))


def _resolve(item: str, labels: list[str]) -> list[int]:
    """The classes that `name` or `first..last` stands for; two classes may share a name."""
    first, dots, last = item.partition("..")
    unknown = {first, last or first} - set(labels)
    if unknown:
        raise ValueError(f"groups.json names {', '.join(sorted(unknown))}, which is no label of labels.txt")
    if dots:
        return list(range(labels.index(first), labels.index(last) + 1))
    return [index for index, label in enumerate(labels) if label == first]

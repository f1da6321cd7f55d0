"""Puts into words what was recognised: stated only where the classifier is sure, hedged or left out elsewhere."""

from __future__ import annotations

from captioner_service.clip import StatementKind
from captioner_service.engines.embedded.faces import Faces
from captioner_service.engines.embedded.groups import Place
from captioner_service.engines.embedded.recogniser import SURE, Recognition, Subject
from captioner_service.engines.embedded.sentence import MEASURED, Sentence, join

CATEGORY_SURE = 0.70
"""From here a category is named. It sums more classes than a group: a blank picture already gives animals 0.26."""

POSSIBLE = 0.40
"""From here to SURE a group is named as a possibility."""

PLACE_SURE = 0.50
PLACE_SURE_ALONE = 0.65
"""Where nothing was recognised, a place rests on many faint resemblances, and abstract pictures have those too."""

_PLACE_LEAD = 4.0
_MOST_SUBJECTS = 3
_MOST_COUNTED_FACES = 4


def describe_content(recognition: Recognition, faces: Faces) -> list[Sentence]:
    """What the video shows and where; says so when that could not be recognised."""
    subjects, people = describe_subjects(recognition), describe_faces(faces)
    return [*subjects, *people, *_admit(subjects, people), *describe_setting(recognition)]


def describe_subjects(recognition: Recognition) -> list[Sentence]:
    """Groups where they are sure, else a category, else a possibility, else nothing.

    Certainty: the summed class probability, of the least sure group where several are named.
    """
    sure = [group for group in recognition.groups if group.probability >= SURE][:_MOST_SUBJECTS]
    category, group = recognition.categories[0], recognition.groups[0]
    if sure:
        text, certainty = f"The video shows {join([_name(group) for group in sure])}.", sure[-1].probability
    elif category.probability >= CATEGORY_SURE:
        text, certainty = f"The video appears to show {category.phrase}.", category.probability
    elif group.probability >= POSSIBLE:
        text, certainty = f"The video possibly shows {group.phrase}.", group.probability
    else:
        return []
    return [Sentence(text, StatementKind.CONTENT, certainty)]


def describe_faces(faces: Faces) -> list[Sentence]:
    """Faces found in two frames, or in the only one there is. Certainty: the share of frames that show one."""
    looked_at = len(faces.counts)
    if faces.frames_with_faces < min(2, looked_at):
        return []
    counts = sorted(count for count in faces.counts if count)
    usual = counts[(len(counts) - 1) // 2]
    if usual == 1:
        whose = "a person's face"
    else:
        whose = f"the faces of {usual} people" if usual <= _MOST_COUNTED_FACES else "several faces"
    if looked_at == 1:
        return [Sentence(f"The video possibly shows {whose}.", StatementKind.CONTENT, POSSIBLE)]
    certainty = faces.frames_with_faces / looked_at
    return [Sentence(f"The video appears to show {whose}.", StatementKind.CONTENT, certainty)]


def describe_setting(recognition: Recognition) -> list[Sentence]:
    """Concluded from where the recognised things are usually met, and therefore always hedged.

    Certainty: the probability that lies on things met there.
    """
    recognised = recognition.groups[0].probability >= SURE or recognition.categories[0].probability >= CATEGORY_SURE
    needed = PLACE_SURE if recognised else PLACE_SURE_ALONE
    places = recognition.places
    indoors, nature, built_up = places[Place.INDOORS], places[Place.NATURE], places[Place.BUILT_UP]
    outdoors = nature + built_up + places[Place.OUTDOORS]
    if indoors >= needed and indoors > _PLACE_LEAD * outdoors:
        text, certainty = "indoors", indoors
    elif outdoors < needed or outdoors < _PLACE_LEAD * indoors:
        return []
    elif nature > max(_PLACE_LEAD * built_up, outdoors / 2):
        text, certainty = "outdoors, in nature", nature
    elif built_up > max(_PLACE_LEAD * nature, outdoors / 2):
        text, certainty = "outdoors, in a street or other built-up place", built_up
    else:
        text, certainty = "outdoors", outdoors
    return [Sentence(f"The setting appears to be {text}.", StatementKind.SETTING, certainty)]


def _admit(subjects: list[Sentence], people: list[Sentence]) -> list[Sentence]:
    if subjects:
        return []
    what = "What else" if people else "What"
    return [
        Sentence(f"{what} the video shows could not be recognised with confidence.", StatementKind.UNKNOWN, MEASURED)
    ]


def _name(subject: Subject) -> str:
    """With the kind hedged: of all the butterflies there are, the thousand classes hold six."""
    return f"{subject.phrase} (most like: {subject.kind})" if subject.kind else subject.phrase

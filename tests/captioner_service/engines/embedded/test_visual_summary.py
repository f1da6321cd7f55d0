"""The whole summary: its order and the spans of its sentences."""

from __future__ import annotations

from captioner_service.clip import StatementKind
from captioner_service.engines.embedded.camera import Camera
from captioner_service.engines.embedded.faces import Faces
from captioner_service.engines.embedded.groups import Place
from captioner_service.engines.embedded.look import Look
from captioner_service.engines.embedded.motion import Motion
from captioner_service.engines.embedded.recogniser import Recognition, Subject
from captioner_service.engines.embedded.sentence import Sentence
from captioner_service.engines.embedded.summary import join_sentences, summarise

CAPTION = summarise(
    Recognition(
        (Subject("a dog", 0.9),), (Subject("an animal", 0.95),), dict.fromkeys(Place, 0.0) | {Place.OUTDOORS: 0.7}
    ),
    Faces((1, 1, 0, 0), 0.4),
    Look((("green", 1.0),), light=0.5, darkest=0.5, brightest=0.5, contrast=0.2, colourfulness=40, warmth=-0.4),
    Motion(8, 0.3, True, 0.0, 0, 0.0, 1, Camera(0.0, 0.0, 0.0, 0.0, 0.0, 0.9)),
)


def test_content_comes_first_then_setting_look_and_motion() -> None:
    kinds = [statement.kind for statement in CAPTION.statements]
    assert list(dict.fromkeys(kinds)) == [
        StatementKind.CONTENT,
        StatementKind.SETTING,
        StatementKind.LOOK,
        StatementKind.MOTION,
    ]
    assert CAPTION.text.startswith("The video shows a dog. The video appears to show a person's face. The setting")


def test_every_statement_spans_exactly_one_sentence() -> None:
    spans = [CAPTION.text[statement.start : statement.end] for statement in CAPTION.statements]
    assert " ".join(spans) == CAPTION.text
    assert all(span.endswith(".") and ". " not in span for span in spans)


def test_certainties_lie_between_nothing_and_certain() -> None:
    assert all(0 < statement.certainty <= 1 for statement in CAPTION.statements)


def test_a_certainty_is_kept_to_three_places() -> None:
    caption = join_sentences([Sentence("It is so.", StatementKind.CONTENT, 0.123456)])
    assert caption.statements[0].certainty == 0.123

"""Orders the sentences on a clip and joins them to a caption: content first, then setting, look and movement."""

from __future__ import annotations

from collections.abc import Sequence

from captioner_service.clip import Caption, Statement
from captioner_service.engines.embedded.content_words import describe_content
from captioner_service.engines.embedded.faces import Faces
from captioner_service.engines.embedded.look import Look
from captioner_service.engines.embedded.look_words import describe_framing, describe_look
from captioner_service.engines.embedded.motion import Motion
from captioner_service.engines.embedded.motion_words import describe_motion
from captioner_service.engines.embedded.recogniser import Recognition
from captioner_service.engines.embedded.sentence import Sentence


def summarise(recognition: Recognition, faces: Faces, look: Look, motion: Motion | None) -> Caption:
    """The facts of one clip in words; `motion` is None for a single frame."""
    return join_sentences(
        [
            *describe_content(recognition, faces),
            *describe_look(look),
            *describe_framing(faces),
            *describe_motion(motion),
        ]
    )


def join_sentences(sentences: Sequence[Sentence]) -> Caption:
    """Sentences joined by single spaces; every statement spans exactly its sentence."""
    statements = []
    at = 0
    for sentence in sentences:
        statements.append(Statement(at, at + len(sentence.text), sentence.kind, sentence.certainty))
        at += len(sentence.text) + 1
    return Caption(" ".join(sentence.text for sentence in sentences), statements=tuple(statements))

"""The whole engine on pictures made to measure."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence

import numpy as np
import pytest
from numpy.typing import NDArray

from captioner_service.clip import Clip, StatementKind
from captioner_service.engines.embedded import EmbeddedEngine
from captioner_service.engines.embedded.weights import SHA256
from vidtomusictags.rpc.failures import NoFrames

Frames = NDArray[np.uint8]
Texture = Callable[[int, int, int], Frames]
Plain = Callable[..., Frames]
MakeClip = Callable[[Frames, Sequence[float]], Clip]

EVERY_1_3_SECONDS = [1.3 * index for index in range(8)]
AT_25_FPS = [index / 25 for index in range(50)]


def say(engine: EmbeddedEngine, clip: Clip) -> str:
    return engine.caption([clip], lambda position, piece: None)[0].text


def pan(texture: Texture, frames: int) -> Frames:
    wide = texture(5, 180, 320 + 4 * frames)
    return np.stack([wide[:, 4 * step : 4 * step + 320] for step in range(frames)])


@pytest.mark.parametrize(
    ("colour", "words"),
    [
        ((0, 0, 0), "The picture is very dark, nearly colourless and low in contrast; its main colour is black."),
        ((255, 255, 255), "bright, nearly colourless and low in contrast; its main colour is white."),
        ((30, 60, 200), "cool-toned and low in contrast; its main colour is blue."),
        ((220, 90, 20), "warm-toned and low in contrast; its main colour is orange."),
    ],
)
def test_a_blank_picture_is_measured_and_not_recognised(
    engine: EmbeddedEngine, plain: Plain, make_clip: MakeClip, colour: tuple[int, int, int], words: str
) -> None:
    text = say(engine, make_clip(plain(colour, 8), EVERY_1_3_SECONDS))
    assert text.startswith("What the video shows could not be recognised with confidence. The picture is")
    assert words in text
    assert text.endswith("The picture hardly changes between the 8 sampled frames, about 1.3 s apart.")


def test_a_pan_seen_frame_by_frame_is_told(engine: EmbeddedEngine, texture: Texture, make_clip: MakeClip) -> None:
    text = say(engine, make_clip(pan(texture, 50), AT_25_FPS))
    assert "The camera appears to pan or travel to the right" in text
    assert "one continuous shot over the 2.0 s seen" in text


def test_the_same_pan_in_frames_far_apart_makes_no_claim_of_camera_or_pace(
    engine: EmbeddedEngine, texture: Texture, make_clip: MakeClip
) -> None:
    text = say(engine, make_clip(pan(texture, 50)[::7], EVERY_1_3_SECONDS))
    assert not re.search(r"camera appears|pan |pace|shot|cuts \d", text)


def test_cuts_are_counted_where_they_are(engine: EmbeddedEngine, plain: Plain, make_clip: MakeClip) -> None:
    shots = [plain(colour, 30) for colour in ((200, 30, 30), (240, 240, 240), (20, 40, 160), (10, 10, 10))]
    text = say(engine, make_clip(np.concatenate(shots)[::2], [index * 2 / 25 for index in range(60)]))
    assert "The picture cuts 3 times in the 4.7 s seen, a fast pace of cutting." in text


def test_of_a_single_frame_no_motion_is_claimed(engine: EmbeddedEngine, texture: Texture, make_clip: MakeClip) -> None:
    caption = engine.caption([make_clip(texture(5, 180, 320)[None], [2.0])], lambda position, piece: None)[0]
    assert StatementKind.MOTION not in {statement.kind for statement in caption.statements}


def test_a_clip_gets_the_same_caption_alone_in_any_company_and_again(
    engine: EmbeddedEngine, texture: Texture, plain: Plain, make_clip: MakeClip
) -> None:
    clips = [
        make_clip(pan(texture, 6), AT_25_FPS[:6]),
        make_clip(np.stack([texture(seed, 240, 180) for seed in range(3)]), EVERY_1_3_SECONDS[:3]),
        make_clip(plain((9, 99, 9)), [0.0]),
    ]
    alone = [engine.caption([clip], lambda position, piece: None)[0] for clip in clips]
    assert engine.caption(clips, lambda position, piece: None) == alone
    assert engine.caption(clips[::-1], lambda position, piece: None) == alone[::-1]


def test_another_instance_says_the_same(engine: EmbeddedEngine, texture: Texture, make_clip: MakeClip) -> None:
    clip = make_clip(np.stack([texture(seed, 240, 180) for seed in range(4)]), EVERY_1_3_SECONDS[:4])
    assert say(EmbeddedEngine(), clip) == say(engine, clip)


def test_text_arrives_sentence_by_sentence(engine: EmbeddedEngine, plain: Plain, make_clip: MakeClip) -> None:
    heard: list[tuple[int, str]] = []
    clips = [make_clip(plain((9, 99, 9), 2), [0.0, 1.0]), make_clip(plain((99, 9, 9)), [0.0])]
    captions = engine.caption(clips, lambda position, piece: heard.append((position, piece)))
    for position, caption in enumerate(captions):
        pieces = [piece for at, piece in heard if at == position]
        assert "".join(pieces) == caption.text
        assert len(pieces) == len(caption.statements)


@pytest.mark.parametrize("shape", [(1, 1), (2, 700), (700, 2)])
def test_frames_of_any_shape_are_described(engine: EmbeddedEngine, make_clip: MakeClip, shape: tuple[int, int]) -> None:
    assert say(engine, make_clip(np.zeros((3, *shape, 3), np.uint8), [0.0, 0.1, 2.0]))


def test_nothing_is_generated_from_tokens(engine: EmbeddedEngine, plain: Plain, make_clip: MakeClip) -> None:
    caption = engine.caption([make_clip(plain((0, 0, 0)), [0.0])], lambda position, piece: None)[0]
    assert (caption.prompt_tokens, caption.completion_tokens) == (0, 0)


def test_the_frames_are_left_as_they_were(engine: EmbeddedEngine, texture: Texture, make_clip: MakeClip) -> None:
    frames = pan(texture, 6)
    before = frames.copy()
    frames.flags.writeable = False
    say(engine, make_clip(frames, [0.1 * index for index in range(6)]))
    assert np.array_equal(frames, before)


def test_a_clip_without_frames_is_refused(engine: EmbeddedEngine, make_clip: MakeClip) -> None:
    with pytest.raises(NoFrames, match="send at least one"):
        say(engine, make_clip(np.zeros((0, 90, 160, 3), np.uint8), []))


def test_the_card_says_what_it_is_and_what_it_is_not(engine: EmbeddedEngine) -> None:
    card = engine.card
    assert card.model == "embedded-visual-facts"
    assert SHA256[:12] in card.revision
    assert "EfficientNet-Lite0" in card.description
    assert "no actions, relationships, stories or emotions" in card.description


def test_a_closed_engine_describes_nothing(plain: Plain, make_clip: MakeClip) -> None:
    engine = EmbeddedEngine()
    engine.close()
    with pytest.raises(RuntimeError, match="closed"):
        say(engine, make_clip(plain((0, 0, 0)), [0.0]))

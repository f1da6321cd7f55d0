"""What every caption engine owes to those who use it, whatever it is made of."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import fields

import numpy as np
import pytest

from captioner_service.clip import Caption, Clip, Prompt
from captioner_service.engines import ENGINES, open_engine
from captioner_service.engines.engine import CaptionEngine, ModelCard, OnText

PROMPT = Prompt("concise", "1", "Describe the video in a few sentences.")


def clip(seed: int, frames: int, height: int = 72, width: int = 128, gap_seconds: float = 1.0) -> Clip:
    """Noise that drifts: `frames` pictures, each the last one moved and a little brighter."""
    noise = np.random.default_rng(seed).integers(0, 200, (height, width, 3), np.uint8)
    pictures = np.stack([np.roll(noise, 3 * step, axis=1) + step for step in range(frames)])
    return Clip(pictures, [gap_seconds * step for step in range(frames)], PROMPT)


CLIPS = (clip(1, 4), clip(2, 1, height=90, width=60), clip(3, 3, gap_seconds=0.04))


@pytest.fixture(scope="module", params=sorted(ENGINES))
def engine(request: pytest.FixtureRequest) -> Iterator[CaptionEngine]:
    opened = open_engine(request.param)
    yield opened
    opened.close()


def describe(
    engine: CaptionEngine, clips: Sequence[Clip], on_text: OnText = lambda position, piece: None
) -> list[Caption]:
    """All of them, in batches as large as the engine's card allows."""
    size = engine.card.max_batch_clips
    batches = [clips[at : at + size] for at in range(0, len(clips), size)]
    return [caption for batch in batches for caption in engine.caption(batch, on_text)]


@pytest.fixture(scope="module")
def captions(engine: CaptionEngine) -> list[Caption]:
    """Of CLIPS, described once."""
    return describe(engine, CLIPS)


def test_no_clips_are_no_captions(engine: CaptionEngine) -> None:
    assert engine.caption([], lambda position, piece: None) == []


def test_there_is_one_caption_per_clip_in_their_order(engine: CaptionEngine, captions: list[Caption]) -> None:
    assert len(captions) == len(CLIPS)
    assert describe(engine, CLIPS[::-1]) == captions[::-1]


def test_one_frame_is_enough(engine: CaptionEngine) -> None:
    (caption,) = describe(engine, [clip(4, 1)])
    assert caption.text


def test_as_many_frames_as_the_card_allows_are_taken(engine: CaptionEngine) -> None:
    (caption,) = describe(engine, [clip(4, engine.card.max_frames, gap_seconds=0.04)])
    assert caption.text


def test_captions_are_text_without_space_around_it(captions: list[Caption]) -> None:
    for caption in captions:
        assert caption.text
        assert caption.text == caption.text.strip()


def test_pieces_join_to_the_text(engine: CaptionEngine, captions: list[Caption]) -> None:
    for clip_, described in zip(CLIPS, captions, strict=True):
        heard: dict[int, str] = defaultdict(str)

        def listen(position: int, piece: str, heard: dict[int, str] = heard) -> None:
            heard[position] += piece

        assert describe(engine, [clip_], listen) == [described]
        assert heard == {0: described.text}


def test_statements_are_spans_of_the_text_in_its_order(captions: list[Caption]) -> None:
    for caption in captions:
        end = 0
        for statement in caption.statements:
            assert end <= statement.start < statement.end <= len(caption.text)
            span = caption.text[statement.start : statement.end]
            assert span == span.strip()
            assert 0 <= statement.certainty <= 1
            end = statement.end


def test_equal_clips_get_equal_captions(engine: CaptionEngine, captions: list[Caption]) -> None:
    assert describe(engine, CLIPS) == captions


def test_tokens_are_not_negative(captions: list[Caption]) -> None:
    for caption in captions:
        assert caption.prompt_tokens >= 0
        assert caption.completion_tokens >= 0


def test_the_card_is_filled_in(engine: CaptionEngine) -> None:
    for field in fields(ModelCard):
        assert getattr(engine.card, field.name), f"{field.name} is empty"
    assert engine.card.default_frames <= engine.card.max_frames


def test_the_card_names_the_engine_as_the_registry_does(engine: CaptionEngine, request: pytest.FixtureRequest) -> None:
    assert engine.card.engine == request.node.callspec.params["engine"]


def test_an_unknown_engine_stops_with_the_names_that_exist() -> None:
    with pytest.raises(ValueError, match=r"there is no caption engine 'llava'; there is: .*embedded"):
        open_engine("llava")

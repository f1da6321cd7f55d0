"""Tokens into text: pieces that join to the whole, and nothing sent that would have to be taken back."""

from __future__ import annotations

import random

import pytest

from captioner_service.worker.text_stream import TextStream

PIECES = ["A", " dog", " runs", ".", "\n", " ", "  ", " Über", "!", " 犬", "🎵", "###", "##", " end"]


def bytewise(tokens: list[int]) -> str:
    """A tokenizer whose tokens are bytes: every character beyond ASCII takes several."""
    return bytes(tokens).decode("utf-8", errors="replace")


def wordwise(tokens: list[int]) -> str:
    return "".join(PIECES[token] for token in tokens)


@pytest.mark.parametrize("seed", range(50))
def test_pieces_join_to_the_stripped_whole(seed: int) -> None:
    chance = random.Random(seed)
    whole = "".join(chance.choices(PIECES, k=30))
    stream = TextStream(bytewise)
    pieces = [stream.push(byte) for byte in whole.encode()] + [stream.end()]
    assert "".join(pieces) == stream.text == whole.strip()
    assert not any("\ufffd" in piece for piece in pieces)


@pytest.mark.parametrize("seed", range(50))
def test_a_stop_cuts_the_text_wherever_tokens_break_it(seed: int) -> None:
    chance = random.Random(seed)
    tokens = chance.choices(range(len(PIECES)), k=30)
    whole = wordwise(tokens)
    stops = ("###", "s.", "犬🎵")
    stream = TextStream(wordwise, stops)
    sent = ""
    for token in tokens:
        sent += stream.push(token)
        assert not any(stop in sent for stop in stops)
        if stream.stopped:
            break
    sent += stream.end()
    ends = [whole.find(stop) for stop in stops if stop in whole]
    assert sent == stream.text
    assert sent == whole[: min(ends)].strip() if ends else whole.strip()
    assert stream.stopped is bool(ends)


def test_text_flows_although_a_stop_may_begin_at_any_time() -> None:
    stream = TextStream(wordwise, ("###",))
    assert [stream.push(0), stream.push(1), stream.push(12), stream.push(2)] == ["A", " dog", "", "## runs"]


def test_a_character_that_is_never_finished_is_sent_at_the_end() -> None:
    stream = TextStream(bytewise)
    sent = [stream.push(byte) for byte in b"ab\xe7"]
    assert (sent, stream.end()) == (["a", "b", ""], "\ufffd")

"""The captioner's client."""

from __future__ import annotations

from typing import Any

import pytest

from vidtomusictags import CaptionerClient, Still
from vidtomusictags.rpc import failures


def stills(count: int, size: int) -> list[Still]:
    return [Still(index=3 * number, pts_seconds=number / 10, data=bytes(size)) for number in range(count)]


def test_frames_go_out_in_order_several_to_a_message_and_counted(fakes: str, script: Any) -> None:
    with CaptionerClient(fakes) as client:
        caption = client.caption(stills(70, 100), prompt="scene")
    config, first, second, end = script.requests
    assert config.prompt.name == "scene"
    assert (len(first.frames.frames), len(second.frames.frames)) == (64, 6)
    assert [frame.index for frame in second.frames.frames] == [192, 195, 198, 201, 204, 207]
    assert end.end_of_input.frame_count == 70
    assert caption.text.startswith("A large rabbit")
    assert caption.provenance.prompt_name == "concise"


def test_no_message_is_larger_than_grpc_takes(fakes: str, script: Any) -> None:
    with CaptionerClient(fakes) as client:
        client.caption(stills(9, 1 << 20))
    sizes = [request.ByteSize() for request in script.requests]
    assert len(sizes) == 1 + 3 + 1
    assert max(sizes) < 4 << 20


def test_text_is_passed_on_as_it_comes(fakes: str) -> None:
    pieces: list[str] = []
    with CaptionerClient(fakes) as client:
        caption = client.caption(stills(1, 1), on_text=pieces.append)
    assert "".join(pieces) == caption.text


def test_a_failure_raises_what_the_captioner_said(fakes: str, script: Any) -> None:
    script.fail = failures.FrameInvalid("Frame 3 cannot be read as JPEG.")
    with CaptionerClient(fakes) as client, pytest.raises(failures.FrameInvalid, match="Frame 3"):
        client.caption(stills(2, 1))


def test_a_call_without_summary_is_told_as_such(fakes: str, script: Any) -> None:
    script.silent = True
    with CaptionerClient(fakes) as client, pytest.raises(failures.UpstreamBroken, match="without a summary"):
        client.caption(stills(2, 1))


def test_where_nothing_answers_the_address_is_named(nobody: str) -> None:
    with CaptionerClient(nobody) as client, pytest.raises(failures.UpstreamUnavailable, match="captioner cannot"):
        client.model()

"""Videos by their place."""

from __future__ import annotations

import os
import shutil
from typing import Any

import pytest
from clips import write_sound
from tagging_calls import tag_video

from vidtomusictags.captioner.v1 import captioner_pb2
from vidtomusictags.classifier.v1 import classifier_pb2
from vidtomusictags.gateway.v1 import gateway_pb2 as pb
from vidtomusictags.media.v1 import media_pb2
from vidtomusictags.rpc.durations import to_duration


async def test_a_video_under_a_root_is_tagged(gateway: Any) -> None:
    outcome = await tag_video(gateway.stub, f"file://{gateway.root}/film.mp4")
    assert outcome.kinds == ["accepted", "progress", "summary", "progress", "result"]
    result = outcome.result
    assert result.summary.text == "4 frames of a quiet forest."
    (tag,) = result.classification.tags
    evidence = tag.evidence[0]
    assert result.summary.text[evidence.start : evidence.end] == evidence.quote
    assert [frame.index for frame in result.manifest.frames] == [2, 7, 12, 17]
    assert result.manifest.video.codec == "h264"
    assert not result.timings.HasField("receiving")
    assert result.timings.total.ToNanoseconds() > 0


async def test_frames_travel_at_the_size_and_in_the_form_that_the_captioner_asked_for(gateway: Any) -> None:
    await tag_video(gateway.stub, f"file://{gateway.root}/film.mp4")
    (config,) = gateway.captioner.configs
    assert config.encoding == media_pb2.FRAME_ENCODING_JPEG
    assert (config.frame_size.width, config.frame_size.height) == (85, 48)
    assert all(frame.data.startswith(b"\xff\xd8") for frame in gateway.captioner.frames)


async def test_text_is_sent_piece_by_piece_when_asked_for(gateway: Any) -> None:
    outcome = await tag_video(gateway.stub, f"file://{gateway.root}/film.mp4", pb.TagOptions(text_deltas=True))
    text = "".join(event.text_delta.text for event in outcome.events)
    assert text == outcome.result.summary.text


async def test_a_name_may_be_percent_encoded(gateway: Any) -> None:
    shutil.copy(gateway.root / "film.mp4", gateway.root / "a film? 100%.mp4")
    assert (await tag_video(gateway.stub, f"file://{gateway.root}/a%20film%3F%20100%25.mp4")).result


@pytest.mark.parametrize("host", ["", "localhost"])
async def test_a_file_uri_may_name_this_machine(host: str, gateway: Any) -> None:
    assert (await tag_video(gateway.stub, f"file://{host}{gateway.root}/film.mp4")).result


class TestPlaces:
    """Where a URI may not lead. None of these calls is accepted, and nothing is decoded or described."""

    @pytest.mark.parametrize(
        ("uri", "code", "reason"),
        [
            ("file://{root}/../film.mp4", "PERMISSION_DENIED", "URI_REFUSED"),
            ("file://{root}/%2e%2e/film.mp4", "PERMISSION_DENIED", "URI_REFUSED"),
            ("file://{root}/..%2Ffilm.mp4", "PERMISSION_DENIED", "URI_REFUSED"),
            ("file://{root}/sub/../film.mp4", "PERMISSION_DENIED", "URI_REFUSED"),
            ("file://{root}x/film.mp4", "PERMISSION_DENIED", "URI_REFUSED"),
            ("file:///etc/passwd", "PERMISSION_DENIED", "URI_REFUSED"),
            ("file:///no/such/file", "PERMISSION_DENIED", "URI_REFUSED"),
            ("file:///", "PERMISSION_DENIED", "URI_REFUSED"),
            ("file://{root}/link.mp4", "PERMISSION_DENIED", "URI_REFUSED"),
            ("file://{root}/linked/hosts", "PERMISSION_DENIED", "URI_REFUSED"),
            ("file://{root}/loop.mp4", "PERMISSION_DENIED", "URI_REFUSED"),
            ("file://{root}/missing.mp4", "NOT_FOUND", "VIDEO_NOT_FOUND"),
            ("file://{root}/film.mp4/more", "NOT_FOUND", "VIDEO_NOT_FOUND"),
            ("file://{root}", "INVALID_ARGUMENT", "VIDEO_UNREADABLE"),
            ("file://{root}/pipe.mp4", "INVALID_ARGUMENT", "VIDEO_UNREADABLE"),
            ("file://elsewhere{root}/film.mp4", "INVALID_ARGUMENT", "URI_INVALID"),
            ("https://example.com/film.mp4", "PERMISSION_DENIED", "URI_REFUSED"),
            ("{root}/film.mp4", "INVALID_ARGUMENT", "URI_INVALID"),
            ("file:film.mp4", "INVALID_ARGUMENT", "URI_INVALID"),
            ("file://{root}/film.mp4?x=1", "INVALID_ARGUMENT", "URI_INVALID"),
            ("file://{root}/film.mp4#t=1", "INVALID_ARGUMENT", "URI_INVALID"),
            ("file://{root}/film%00.mp4", "INVALID_ARGUMENT", "URI_INVALID"),
            ("file://{root}/%ff.mp4", "INVALID_ARGUMENT", "URI_INVALID"),
            ("file://[::1/film.mp4", "INVALID_ARGUMENT", "URI_INVALID"),
            ("", "INVALID_ARGUMENT", "URI_INVALID"),
            ("file:///" + "x" * 2048, "INVALID_ARGUMENT", "URI_INVALID"),
        ],
    )
    async def test_a_uri_is_refused(self, uri: str, code: str, reason: str, gateway: Any) -> None:
        links = {"link.mp4": "/etc/hosts", "linked": "/etc", "loop.mp4": gateway.root / "loop.mp4"}
        for name, target in links.items():
            if not (gateway.root / name).is_symlink():
                (gateway.root / name).symlink_to(target)
        if not (gateway.root / "pipe.mp4").exists():
            os.mkfifo(gateway.root / "pipe.mp4")
        outcome = await tag_video(gateway.stub, uri.format(root=gateway.root))
        assert outcome.events == []
        assert (outcome.failure.code, outcome.failure.reason) == (code, reason)
        assert outcome.failure.field == "uri"
        assert str(gateway.root) not in outcome.failure.message
        assert gateway.captioner.configs == []

    async def test_what_lies_outside_is_refused_alike_whether_it_exists_or_not(self, gateway: Any) -> None:
        there = await tag_video(gateway.stub, "file:///etc/passwd")
        not_there = await tag_video(gateway.stub, "file:///etc/no-such-file")
        assert there.failure.message == not_there.failure.message

    async def test_a_link_that_stays_under_the_roots_is_followed(self, gateway: Any) -> None:
        if not (gateway.root / "inside.mp4").is_symlink():
            (gateway.root / "inside.mp4").symlink_to(gateway.root / "film.mp4")
        assert (await tag_video(gateway.stub, f"file://{gateway.root}/inside.mp4")).result


class TestContent:
    """Files that are no videos. They are known for it only once they are opened, after `accepted`."""

    @pytest.mark.parametrize(
        ("content", "reason"),
        [
            (b"", "VIDEO_UNREADABLE"),
            (b"Dear diary, today I renamed a text file.\n" * 50, "VIDEO_UNREADABLE"),
            ("half", "VIDEO_UNREADABLE"),
            ("sound", "VIDEO_WITHOUT_PICTURE"),
        ],
        ids=["zero bytes", "text", "half a film", "sound alone"],
    )
    async def test_a_file_that_is_no_video_is_refused(self, content: bytes | str, reason: str, gateway: Any) -> None:
        path = gateway.root / "bad.mp4"
        if content == "sound":
            write_sound(path)
        elif content == "half":
            film = (gateway.root / "film.mp4").read_bytes()
            path.write_bytes(film[: len(film) // 2])
        else:
            assert isinstance(content, bytes)
            path.write_bytes(content)
        outcome = await tag_video(gateway.stub, f"file://{path}")
        assert (outcome.failure.code, outcome.failure.reason) == ("INVALID_ARGUMENT", reason)
        assert str(gateway.root) not in outcome.failure.message
        assert gateway.captioner.configs == []
        assert (await tag_video(gateway.stub, f"file://{gateway.root}/film.mp4")).result


class TestOptions:
    """What is wrong with an order is said before `accepted`, before any decoding and any caption."""

    @pytest.mark.parametrize(
        ("options", "code", "reason", "field"),
        [
            (
                pb.TagOptions(sampling=pb.Sampling(sampler="random")),
                "INVALID_ARGUMENT",
                "SAMPLER_UNKNOWN",
                "options.sampling.sampler",
            ),
            (
                pb.TagOptions(sampling=pb.Sampling(frames=257)),
                "INVALID_ARGUMENT",
                "INVALID_REQUEST",
                "options.sampling.frames",
            ),
            (
                pb.TagOptions(sampling=pb.Sampling(frames=17)),
                "INVALID_ARGUMENT",
                "TOO_MANY_FRAMES",
                "options.sampling.frames",
            ),
            (
                pb.TagOptions(sampling=pb.Sampling(range=media_pb2.TimeRange(start=to_duration(-1)))),
                "INVALID_ARGUMENT",
                "INVALID_REQUEST",
                "options.sampling.range.start",
            ),
            (
                pb.TagOptions(
                    sampling=pb.Sampling(range=media_pb2.TimeRange(start=to_duration(1), end=to_duration(1)))
                ),
                "INVALID_ARGUMENT",
                "INVALID_REQUEST",
                "options.sampling.range.end",
            ),
            (
                pb.TagOptions(prompt=captioner_pb2.Prompt(name="poem")),
                "NOT_FOUND",
                "PROMPT_UNKNOWN",
                "options.prompt.name",
            ),
            (
                pb.TagOptions(generation=captioner_pb2.GenerationOptions(temperature=3)),
                "INVALID_ARGUMENT",
                "INVALID_REQUEST",
                "options.generation.temperature",
            ),
            (pb.TagOptions(taxonomy_id="house"), "NOT_FOUND", "TAXONOMY_UNKNOWN", "options.taxonomy_id"),
            (
                pb.TagOptions(classify=classifier_pb2.ClassifyOptions(include=["cars"])),
                "INVALID_ARGUMENT",
                "TAG_UNKNOWN",
                "options.classify.include",
            ),
        ],
        ids=lambda value: value if isinstance(value, str) else "",
    )
    async def test_an_order_that_cannot_be_met_is_refused_at_once(
        self, options: pb.TagOptions, code: str, reason: str, field: str, gateway: Any
    ) -> None:
        outcome = await tag_video(gateway.stub, f"file://{gateway.root}/film.mp4", options)
        assert outcome.events == []
        assert (outcome.failure.code, outcome.failure.reason, outcome.failure.field) == (code, reason, field)
        assert gateway.captioner.configs == []
        assert gateway.classifier.summaries == []

    async def test_a_stretch_that_begins_after_the_video_names_its_field(self, gateway: Any) -> None:
        options = pb.TagOptions(sampling=pb.Sampling(range=media_pb2.TimeRange(start=to_duration(60))))
        outcome = await tag_video(gateway.stub, f"file://{gateway.root}/film.mp4", options)
        assert (outcome.failure.reason, outcome.failure.field) == ("INVALID_REQUEST", "options.sampling.range.start")

    async def test_only_the_stretch_that_is_asked_for_is_looked_at(self, gateway: Any) -> None:
        stretch = media_pb2.TimeRange(start=to_duration(1), end=to_duration(1.5))
        options = pb.TagOptions(sampling=pb.Sampling(frames=2, range=stretch))
        result = (await tag_video(gateway.stub, f"file://{gateway.root}/film.mp4", options)).result
        times = [frame.time.ToNanoseconds() / 1e9 for frame in result.manifest.frames]
        assert len(times) == 2
        assert all(1 <= time < 1.5 for time in times)

    async def test_more_frames_than_there_are_is_not_silent(self, gateway: Any) -> None:
        options = pb.TagOptions(sampling=pb.Sampling(frames=16, range=media_pb2.TimeRange(end=to_duration(0.3))))
        manifest = (await tag_video(gateway.stub, f"file://{gateway.root}/film.mp4", options)).result.manifest
        assert manifest.requested_frames == 16
        assert len(manifest.frames) == 3
        assert manifest.warnings

"""What the blocking and the asynchronous client have in common: every test runs with both."""

from __future__ import annotations

import asyncio
import io
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest

from vidtomusictags import AsyncClient, Client, Progress, TaggedVideo
from vidtomusictags.classifier.v1 import classifier_pb2
from vidtomusictags.rpc import failures

MOVIE = bytes(range(256)) * 3000
Tag = Callable[..., Awaitable[TaggedVideo]]


def blocking(target: str, timeout_seconds: float) -> Tag:
    def tag(*arguments: Any, **options: Any) -> TaggedVideo:
        with Client(target, timeout_seconds=timeout_seconds) as client:
            return client.tag(*arguments, **options)

    async def in_thread(*arguments: Any, **options: Any) -> TaggedVideo:
        return await asyncio.to_thread(tag, *arguments, **options)

    return in_thread


def asynchronous(target: str, timeout_seconds: float) -> Tag:
    async def tag(*arguments: Any, **options: Any) -> TaggedVideo:
        async with AsyncClient(target, timeout_seconds=timeout_seconds) as client:
            return await client.tag(*arguments, **options)

    return tag


@pytest.fixture(params=[blocking, asynchronous])
def client(request: pytest.FixtureRequest) -> Callable[[str, float], Tag]:
    made: Callable[[str, float], Tag] = request.param
    return made


@pytest.fixture
def tag(client: Callable[[str, float], Tag], fakes: str) -> Tag:
    return client(fakes, 20.0)


@pytest.fixture
def clip(tmp_path: Path) -> Path:
    path = tmp_path / "clip.mp4"
    path.write_bytes(MOVIE)
    return path


async def test_a_path_is_uploaded_whole_and_counted(tag: Tag, script: Any, clip: Path) -> None:
    await tag(clip)
    assert script.uploads == [MOVIE]
    assert script.counted == [768_000]
    assert script.requests[0].size_bytes == 768_000


async def test_a_path_may_be_a_string(tag: Tag, script: Any, clip: Path) -> None:
    await tag(str(clip))
    assert script.uploads == [MOVIE]


async def test_an_open_file_is_uploaded_and_left_open(tag: Tag, script: Any) -> None:
    file = io.BytesIO(b"moving pictures")
    await tag(file)
    assert script.uploads == [b"moving pictures"]
    assert not script.requests[0].HasField("size_bytes")
    assert not file.closed


async def test_a_uri_is_left_to_the_gateway(tag: Tag, script: Any) -> None:
    await tag("file:///clips/a.mp4", request_id="r-1")
    assert script.requests[0].uri == "file:///clips/a.mp4"
    assert script.requests[0].request_id == "r-1"


async def test_every_option_reaches_the_gateway(tag: Tag, script: Any, clip: Path) -> None:
    await tag(
        clip,
        taxonomy="moods@2.0.0",
        include=["happy"],
        exclude=["sad"],
        max_tags=3,
        min_confidence=0.25,
        sampler="notebook",
        frames=12,
        start=1.5,
        end=4.0,
        prompt="scene",
    )
    options = script.requests[0].options
    assert options.taxonomy_id == "moods@2.0.0"
    assert (list(options.classify.include), list(options.classify.exclude)) == (["happy"], ["sad"])
    assert (options.classify.max_tags, options.classify.min_confidence) == (3, 0.25)
    assert (options.sampling.sampler, options.sampling.frames) == ("notebook", 12)
    assert (options.sampling.range.start.ToMilliseconds(), options.sampling.range.end.ToMilliseconds()) == (1500, 4000)
    assert options.prompt.name == "scene"
    assert not options.text_deltas


async def test_what_is_not_asked_for_is_not_set(tag: Tag, script: Any, clip: Path) -> None:
    await tag(clip)
    options = script.requests[0].options
    assert not options.HasField("prompt")
    assert not options.sampling.HasField("range")
    assert not options.classify.HasField("min_confidence")
    assert options.WhichOneof("taxonomy") is None


async def test_a_whole_taxonomy_travels_inline(tag: Tag, script: Any, clip: Path) -> None:
    await tag(clip, taxonomy=classifier_pb2.Taxonomy(id="mine", version="1.0.0"), prompt_text="What is it?")
    options = script.requests[0].options
    assert options.inline_taxonomy.id == "mine"
    assert options.prompt.text == "What is it?"


async def test_an_unknown_option_is_refused(tag: Tag, clip: Path) -> None:
    with pytest.raises(TypeError, match="sampeler"):
        await tag(clip, sampeler="uniform")


async def test_two_prompts_are_refused(tag: Tag, clip: Path) -> None:
    with pytest.raises(TypeError, match="not both"):
        await tag(clip, prompt="scene", prompt_text="What is it?")


async def test_progress_and_text_are_passed_on_as_they_come(tag: Tag, clip: Path) -> None:
    seen: list[Progress] = []
    pieces: list[str] = []
    tagged = await tag(clip, on_progress=seen.append, on_text=pieces.append)
    assert seen == [Progress(stage="sampling", done=1, total=2, percent=30)]
    assert len(pieces) == 2
    assert "".join(pieces) == tagged.summary


async def test_a_refused_call_raises_what_the_gateway_said(tag: Tag, script: Any, clip: Path) -> None:
    script.refuse = failures.StreamsFull("All 64 slots are taken.", retry_after_seconds=0.5)
    with pytest.raises(failures.StreamsFull, match="All 64 slots") as raised:
        await tag(clip)
    assert raised.value.retry_after_seconds == 0.5


@pytest.mark.parametrize("uri", [True, False])
async def test_a_failure_on_the_way_raises_what_the_gateway_said(tag: Tag, script: Any, clip: Path, uri: bool) -> None:
    script.fail = failures.VideoUnreadable("The file is not a video.", field="uri")
    with pytest.raises(failures.VideoUnreadable, match="not a video") as raised:
        await tag("file:///a.mp4" if uri else clip)
    assert raised.value.field == "uri"


async def test_a_missing_file_fails_before_any_call(tag: Tag, script: Any, tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        await tag(tmp_path / "none.mp4")
    with pytest.raises(IsADirectoryError):
        await tag(tmp_path)
    assert script.requests == []


async def test_a_file_that_cannot_be_read_to_its_end_raises_its_own_error(tag: Tag, script: Any) -> None:
    class Failing(io.BytesIO):
        def read(self, size: int | None = -1, /) -> bytes:
            raise OSError("the disk is gone")

    with pytest.raises(OSError, match="the disk is gone"):
        script.fail = failures.InputTruncated("The stream ended without `end_of_input`.")
        await tag(Failing())
    assert script.counted == []


async def test_an_upload_over_the_gateways_limit_is_not_sent(tag: Tag, script: Any, clip: Path) -> None:
    script.max_upload_bytes = 1000
    script.fail = failures.InputTruncated("The stream ended without `end_of_input`.")
    with pytest.raises(failures.VideoTooLarge, match="768000 bytes"):
        await tag(clip)
    assert script.uploads == [b""]


async def test_a_call_without_result_is_told_as_such(tag: Tag, script: Any, clip: Path) -> None:
    script.silent = True
    with pytest.raises(failures.UpstreamBroken, match="without a result"):
        await tag(clip)


async def test_an_upload_that_is_broken_off_tells_why(tag: Tag, script: Any, clip: Path) -> None:
    """A client of grpc.aio that is writing then sees INTERNAL, unless it keeps what the server said."""
    script.break_off = failures.SpoolFull("No room; try again after the delay.", retry_after_seconds=0.5)
    for _ in range(5):
        with pytest.raises(failures.SpoolFull, match="No room") as caught:
            await tag(clip)
        assert caught.value.retry_after_seconds == 0.5


@pytest.mark.parametrize("source", ["upload", "uri"])
async def test_a_call_that_is_turned_away_unseen_may_be_made_again_a_little_later(
    tag: Tag, script: Any, clip: Path, source: str
) -> None:
    script.turn_away = True
    with pytest.raises(failures.UpstreamUnavailable, match="had no time to look at the call") as caught:
        await tag(clip if source == "upload" else "file:///clips/a.mp4")
    assert caught.value.retry_after_seconds is not None
    assert 0.5 <= caught.value.retry_after_seconds <= 1.5


async def test_where_nothing_answers_the_address_is_named(
    client: Callable[[str, float], Tag], nobody: str, clip: Path
) -> None:
    with pytest.raises(failures.UpstreamUnavailable, match=r"cannot be reached at 127\.0\.0\.1:1;"):
        await client(nobody, 20.0)(clip)


async def test_a_gateway_that_does_not_answer_is_given_up(
    client: Callable[[str, float], Tag], fakes: str, script: Any, clip: Path
) -> None:
    script.hang = True
    with pytest.raises(failures.DeadlineExceeded, match=r"within 0\.3 s"):
        await client(fakes, 0.3)(clip)


async def test_another_service_at_the_address_is_told_as_such(client: Callable[[str, float], Tag], clip: Path) -> None:
    import grpc

    server = grpc.aio.server()
    port = server.add_insecure_port("127.0.0.1:0")
    await server.start()
    try:
        with pytest.raises(failures.UpstreamBroken, match="is no gateway"):
            await client(f"127.0.0.1:{port}", 20.0)(clip)
    finally:
        await server.stop(None)

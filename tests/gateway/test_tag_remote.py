"""Videos elsewhere, through the whole gateway: every source gives the very same."""

from __future__ import annotations

import asyncio
import re
import time
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest
from av.video.stream import VideoStream
from fake_upstreams import FakeCaptioner, FakeClassifier
from log_lines import LogLines
from metrics_page import free_address, read
from pydantic import ValidationError
from tagging_calls import pieces, tag_upload, tag_video
from web_server import WebServer, in_turn, ranged, serving_web, status, whole

from gateway.settings import GatewaySettings
from vidtomusictags.gateway.v1 import gateway_pb2 as pb

SECRET = "?X-Amz-Signature=topsecret&X-Amz-Expires=60"


def write_noise(path: Path, *, frames: int = 300) -> Path:
    """A film of a few megabytes, so large that it is read in parts; its index at the end or, for .ts, nowhere."""
    random = np.random.default_rng(2)
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=20, options={"preset": "ultrafast", "threads": "1", "g": "10"})
        assert isinstance(stream, VideoStream)
        stream.width, stream.height, stream.pix_fmt = 256, 144, "yuv420p"
        for _ in range(frames):
            picture = random.integers(0, 255, (144, 256, 3), np.uint8)
            container.mux(stream.encode(av.VideoFrame.from_ndarray(picture, format="rgb24")))
        container.mux(stream.encode(None))
    return path


@pytest.fixture(scope="module")
def films(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    folder = tmp_path_factory.mktemp("films")
    return {name: write_noise(folder / f"film.{name}") for name in ("mp4", "ts")}


@pytest.fixture(scope="module")
async def web() -> AsyncIterator[WebServer]:
    async with serving_web() as server:
        yield server


@pytest.fixture(scope="module")
async def remote(tmp_path_factory: pytest.TempPathFactory, web: WebServer, gateway_with: Any) -> AsyncIterator[Any]:
    """A gateway that may read from the server, by http and as an S3 store."""
    host = f"localhost:{web.port}"
    async with gateway_with(
        FakeCaptioner(),
        FakeClassifier(),
        tmp_path_factory.mktemp("remote"),
        remote_insecure_hosts=(host,),
        remote_private_hosts=(host,),
        remote_buckets=("s3://clips",),
        s3_endpoint=f"http://127.0.0.1:{web.port}",
        s3_anonymous=True,
        heartbeat_seconds=0.05,
    ) as gateway:
        yield gateway


@pytest.fixture(autouse=True)
def fresh(remote: Any, web: WebServer) -> Any:
    remote.captioner.forget()
    remote.classifier.forget()
    web.requests.clear()
    web.body_bytes = 0
    yield
    assert remote.left_on_disk == []


@pytest.mark.parametrize(("container", "sampler"), [("mp4", "uniform"), ("mp4", "shots"), ("ts", "snap")])
@pytest.mark.parametrize("source", ["http with ranges", "http without", "s3", "upload"])
async def test_every_source_gives_what_the_file_gives(
    source: str, container: str, sampler: str, remote: Any, web: WebServer, films: dict[str, Path]
) -> None:
    path, options = films[container], pb.TagOptions(sampling=pb.Sampling(sampler=sampler, frames=4))
    data = path.read_bytes()
    (remote.root / path.name).write_bytes(data)
    local = (await tag_video(remote.stub, f"file://{remote.root}/{path.name}", options)).result
    frames = [frame.data for frame in remote.captioner.frames]
    remote.captioner.forget()

    web.answers["/film"] = whole(data) if source == "http without" else ranged(data, server=web)
    web.answers["/clips/film"] = ranged(data, server=web)
    if source == "upload":
        outcome = await tag_upload(
            remote.stub, pieces(data, 1 << 18), config=pb.UploadConfig(size_bytes=len(data), options=options)
        )
    else:
        uri = "s3://clips/film" if source == "s3" else f"http://localhost:{web.port}/film{SECRET}"
        outcome = await tag_video(remote.stub, uri, options)
    assert [frame.data for frame in remote.captioner.frames] == frames
    deterministic = {"deterministic": True}
    assert outcome.result.manifest.SerializeToString(**deterministic) == local.manifest.SerializeToString(
        **deterministic
    )
    assert outcome.result.timings.HasField("receiving")
    assert sorted(percents := [event.percent for event in outcome.progress]) == percents
    if container == "mp4" and sampler != "shots" and source in ("http with ranges", "s3"):
        assert web.body_bytes < 0.7 * len(data)


async def test_a_uri_is_checked_before_the_call_is_taken_on(remote: Any, web: WebServer) -> None:
    for uri, reason in [
        (f"https://localhost:{web.port}/film", "URI_REFUSED"),
        ("http://example.com/film", "URI_REFUSED"),
        ("gs://clips/film", "URI_REFUSED"),
        ("s3://others/film", "URI_REFUSED"),
        ("s3://clips/../others/film", "URI_INVALID"),
        (f"http://user@localhost:{web.port}/film", "URI_INVALID"),
        ("ftp://example.com/film", "URI_INVALID"),
        ("film.mp4", "URI_INVALID"),
        ("", "URI_INVALID"),
    ]:
        outcome = await tag_video(remote.stub, uri)
        assert outcome.events == []
        assert (outcome.failure.reason, outcome.failure.field) == (reason, "uri")
    assert web.requests == []


async def test_a_failure_of_the_server_is_told_with_its_reason_and_no_secret(
    remote: Any, web: WebServer, films: dict[str, Path], logs: LogLines
) -> None:
    data = films["mp4"].read_bytes()
    for answer, reason in [
        (status(404), "VIDEO_NOT_FOUND"),
        (status(403), "REMOTE_FORBIDDEN"),
        (whole(b"no film at all" * 100), "VIDEO_UNREADABLE"),
        (in_turn(ranged(data), ranged(data, etag='"two"')), "VIDEO_CHANGED"),
        (in_turn(ranged(data), status(500)), "REMOTE_UNAVAILABLE"),
    ]:
        web.answers["/film"] = answer
        outcome = await tag_video(remote.stub, f"http://localhost:{web.port}/film{SECRET}", request_id="remote-1")
        assert outcome.failure.reason == reason
        assert "topsecret" not in str(outcome.events) + outcome.failure.message
    assert remote.captioner.frames == []
    await logs.wait_for("answered", request_id="remote-1", count=5)
    assert not re.search("topsecret|X-Amz", logs.text)


async def test_a_caller_that_leaves_ends_the_fetching_and_the_decoding(
    remote: Any, web: WebServer, films: dict[str, Path], logs: LogLines
) -> None:
    reached, forever = asyncio.Event(), asyncio.Event()

    async def hang(request: Any, writer: Any) -> None:
        reached.set()
        await forever.wait()

    web.answers["/film"] = in_turn(ranged(films["mp4"].read_bytes()), hang)
    uri = f"http://localhost:{web.port}/film"
    call = remote.stub.TagVideo(pb.TagVideoRequest(uri=uri, request_id="leaver"), timeout=30)
    await call.read()
    async with asyncio.timeout(20):
        await reached.wait()
        call.cancel()
    await logs.wait_for("answered", request_id="leaver", code="CANCELLED")
    assert remote.left_on_disk == []
    web.answers["/film"] = ranged(films["mp4"].read_bytes())
    assert (await tag_video(remote.stub, uri)).result


class TestLimits:
    """Bytes that are fetched for a caller count as those that it sends: a short request could else cost any number."""

    LIMIT = 1 << 20
    PIECE_BYTES = 64 << 10
    """What one read of a connection gives."""

    @pytest.fixture
    async def limited(self, tmp_path: Path, web: WebServer, gateway_with: Any) -> AsyncIterator[tuple[Any, str]]:
        """A gateway that lets a caller have LIMIT a minute, and where its metrics are."""
        host, metrics_at = f"localhost:{web.port}", free_address()
        async with gateway_with(
            FakeCaptioner(),
            FakeClassifier(),
            tmp_path,
            remote_insecure_hosts=(host,),
            remote_private_hosts=(host,),
            max_upload_bytes=self.LIMIT,
            max_remote_fetch_bytes=self.LIMIT,
            caller_bytes_a_minute=self.LIMIT,
            metrics_listen=metrics_at,
        ) as gateway:
            yield gateway, metrics_at

    async def test_a_caller_that_names_too_much_is_refused_as_one_that_sends_it(
        self, limited: tuple[Any, str], web: WebServer
    ) -> None:
        gateway, metrics_at = limited
        junk = b"no film at all" * 50_000
        web.answers["/film"] = whole(junk)
        uri = f"http://localhost:{web.port}/film"
        assert (await tag_video(gateway.stub, uri)).failure.reason == "VIDEO_UNREADABLE"
        failure = (outcome := await tag_video(gateway.stub, uri)).failure
        assert outcome.kinds[0] == "accepted"  # and the rest is told in-band as well as by the status
        assert (failure.code, failure.reason) == ("RESOURCE_EXHAUSTED", "CALLER_LIMITED")
        assert failure.quota == "caller:address:127.0.0.1"
        assert failure.retry_after_seconds is not None
        assert f"{self.LIMIT} bytes a minute" in failure.message
        page = await read(metrics_at)
        fetched = page.value("vidtags_remote_bytes_total", scheme="http")
        assert fetched is not None
        assert len(junk) < fetched < 2 * len(junk)
        assert page.value("vidtags_remote_videos_total", scheme="http", outcome="CALLER_LIMITED") == 1
        assert gateway.left_on_disk == []
        asked = len(web.requests)
        for again in (await tag_video(gateway.stub, uri), await tag_upload(gateway.stub, pieces(junk, 1 << 18))):
            assert again.failure.reason == "CALLER_LIMITED"
            assert again.events == []
        assert len(web.requests) == asked

    async def test_many_calls_at_once_get_no_more_than_a_piece_each_beyond_it(
        self, limited: tuple[Any, str], web: WebServer
    ) -> None:
        gateway, metrics_at = limited
        web.answers["/film"] = whole(b"x" * self.LIMIT)
        began, calls = time.monotonic(), 8
        outcomes = await asyncio.gather(
            *(tag_video(gateway.stub, f"http://localhost:{web.port}/film") for _ in range(calls))
        )
        assert {outcome.failure.reason for outcome in outcomes} <= {"CALLER_LIMITED", "VIDEO_UNREADABLE", "QUEUE_FULL"}
        refilled = self.LIMIT * (time.monotonic() - began) / 60
        fetched = (await read(metrics_at)).value("vidtags_remote_bytes_total", scheme="http")
        assert fetched is not None
        assert self.LIMIT / 2 < fetched < self.LIMIT + refilled + calls * self.PIECE_BYTES

    def test_a_limit_below_what_one_video_may_need_stops_the_start(self) -> None:
        limits = {"max_upload_bytes": 1000, "caller_bytes_a_minute": 1000}
        for allowed in ({"remote_hosts": ("a.example",)}, {"remote_buckets": ("s3://clips",)}):
            with pytest.raises(ValidationError, match="fetched in vain"):
                GatewaySettings(**limits, **allowed)
            GatewaySettings(**limits, **allowed, max_remote_bytes=1000)
        GatewaySettings(**limits)  # nothing remote is allowed

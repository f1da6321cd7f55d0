"""What fetching comes to: every byte that arrives is counted once, for whoever asked for it, and every ending told."""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import Any

import pytest
from recording_meter import RecordingMeter
from web_server import Request, WebServer, in_turn, partly, ranged, status, whole

from gateway.sources.fetched import FetchedVideo
from gateway.sources.fetches import BYTES, REQUESTS, VIDEOS, Fetches
from gateway.sources.rules import SourceRules
from gateway.sources.sources import Sources, running_sources
from gateway.spool import Spool
from vidtomusictags.rpc import failures

DATA = os.urandom(1 << 20) * 3
KIB = 1024
HEAD_BYTES = 256 * KIB
PIECE_BYTES = 256 * KIB
"""Most that one read gives, of a web server (64 KiB) or an S3 store."""

Counting = Callable[..., Any]


@pytest.fixture
def meter() -> RecordingMeter:
    return RecordingMeter()


@pytest.fixture
def counting(web: WebServer, rules: SourceRules, spool: Spool, meter: RecordingMeter) -> Counting:
    """Sources that read the server by http and as an S3 store. limit: bytes after which whoever counts has enough."""

    @asynccontextmanager
    async def running(limit: int | None = None, **other: Any) -> AsyncIterator[Sources]:
        left = [limit or 0]

        def arriving(size: int) -> None:
            left[0] -= size
            if left[0] < 0:
                raise failures.CallerLimited("enough", retry_after_seconds=1.0)

        store = {"buckets": ("s3://clips",), "s3_endpoint": f"http://127.0.0.1:{web.port}", "s3_anonymous": True}
        fetches = Fetches(meter, arriving if limit is not None else None)
        async with running_sources(replace(rules, **store, **other), spool, fetches) as sources:
            yield sources

    return running


def uri_of(scheme: str, web: WebServer) -> str:
    return "s3://clips/film" if scheme == "s3" else f"http://localhost:{web.port}/clips/film"


@pytest.mark.parametrize("scheme", ["http", "s3"])
class TestBytes:
    async def test_are_counted_once_each(
        self, scheme: str, web: WebServer, counting: Counting, meter: RecordingMeter, fetch: Any
    ) -> None:
        web.answers["/clips/film"] = ranged(DATA, server=web)
        async with counting() as sources:
            assert await fetch(sources, uri_of(scheme, web)) == DATA
        assert meter.sum(BYTES, scheme) == web.body_bytes == len(DATA)
        assert meter.sum(REQUESTS, scheme, "ok") == meter.sum(REQUESTS) == len(web.requests)
        assert meter.sum(VIDEOS, scheme, "ok") == meter.sum(VIDEOS) == 1

    async def test_are_counted_of_a_video_that_is_then_refused(
        self, scheme: str, web: WebServer, counting: Counting, meter: RecordingMeter, fetch: Any
    ) -> None:
        web.answers["/clips/film"] = ranged(DATA)
        async with counting(max_bytes=1000) as sources:
            with pytest.raises(failures.VideoTooLarge):
                await fetch(sources, uri_of(scheme, web))
        assert meter.sum(BYTES, scheme) == HEAD_BYTES
        assert meter.sum(VIDEOS, scheme, "VIDEO_TOO_LARGE") == meter.sum(VIDEOS) == 1

    async def test_end_the_fetching_when_whoever_counts_them_says_so(
        self, scheme: str, web: WebServer, counting: Counting, meter: RecordingMeter, fetch: Any
    ) -> None:
        web.answers["/clips/film"] = ranged(DATA)
        limit = 1 << 20
        async with counting(limit) as sources:
            with pytest.raises(failures.CallerLimited):
                await fetch(sources, uri_of(scheme, web))
        assert limit < meter.sum(BYTES, scheme) <= limit + PIECE_BYTES
        assert meter.sum(REQUESTS, scheme, "CALLER_LIMITED") == 1  # and it is not made again
        assert meter.sum(VIDEOS, scheme, "CALLER_LIMITED") == meter.sum(VIDEOS) == 1
        async with counting(0) as sources:
            with pytest.raises(failures.CallerLimited):
                await fetch(sources, uri_of(scheme, web))


class TestOutcomes:
    @pytest.mark.parametrize(
        ("answer", "reason", "attempts"),
        [
            (status(404), "VIDEO_NOT_FOUND", 1),
            (status(403), "REMOTE_FORBIDDEN", 1),
            (status(503), "REMOTE_UNAVAILABLE", 1),
            (in_turn(ranged(DATA), status(500)), "REMOTE_UNAVAILABLE", 3),
            (in_turn(ranged(DATA), ranged(DATA, etag='"two"')), "VIDEO_CHANGED", 1),
            (partly(206, b"x" * 10, Content_Range="bytes 5-14/20"), "REMOTE_INVALID", 1),
        ],
    )
    async def test_a_failure_is_told_by_its_reason_for_each_request_and_once_for_the_video(
        self,
        answer: Any,
        reason: str,
        attempts: int,
        web: WebServer,
        counting: Counting,
        meter: RecordingMeter,
        fetch: Any,
    ) -> None:
        web.answers["/clips/film"] = answer
        async with counting() as sources:
            with pytest.raises(failures.Failure):
                await fetch(sources, uri_of("http", web))
        assert meter.sum(REQUESTS, "http", reason) == attempts
        assert meter.sum(REQUESTS) == len(web.requests)
        assert meter.sum(VIDEOS, "http", reason) == meter.sum(VIDEOS) == 1

    async def test_a_redirect_is_a_request(
        self, web: WebServer, counting: Counting, meter: RecordingMeter, fetch: Any
    ) -> None:
        web.answers["/clips/film"] = status(302, Location="/elsewhere")
        web.answers["/elsewhere"] = ranged(DATA[:100])
        async with counting() as sources:
            assert await fetch(sources, uri_of("http", web)) == DATA[:100]
        assert meter.sum(REQUESTS, "http", "ok") == 2

    @pytest.mark.parametrize("answer", [ranged(DATA[:100]), whole(DATA[:100])])
    async def test_what_is_wrong_with_the_video_itself_is_no_failure_of_fetching(
        self, answer: Any, web: WebServer, counting: Counting, meter: RecordingMeter
    ) -> None:
        web.answers["/clips/film"] = answer
        async with counting() as sources:
            with pytest.raises(failures.VideoUnreadable):
                async with sources.opened(await sources.place(uri_of("http", web))) as video:
                    assert isinstance(video, FetchedVideo)
                    async for _ in video.fetch_all():
                        pass
                    raise failures.VideoUnreadable("no video")
        assert meter.sum(REQUESTS, "http", "ok") == meter.sum(REQUESTS) == 1
        assert meter.sum(VIDEOS, "http", "ok") == meter.sum(VIDEOS) == 1

    async def test_a_call_that_ends_first_leaves_its_request(
        self, web: WebServer, counting: Counting, meter: RecordingMeter, fetch: Any
    ) -> None:
        reached = asyncio.Event()

        async def hang(request: Request, writer: asyncio.StreamWriter) -> None:
            reached.set()
            await asyncio.Event().wait()

        web.answers["/clips/film"] = hang
        async with counting() as sources:
            fetching = asyncio.create_task(fetch(sources, uri_of("http", web)))
            await reached.wait()
            fetching.cancel()
            await asyncio.gather(fetching, return_exceptions=True)
        assert meter.sum(REQUESTS, "http", "left") == meter.sum(REQUESTS) == 1
        assert meter.sum(VIDEOS, "http", "left") == meter.sum(VIDEOS) == 1

    async def test_what_has_not_happened_yet_is_told_as_0_of_schemes_that_are_allowed(
        self, counting: Counting, meter: RecordingMeter
    ) -> None:
        async with counting():
            pass
        assert {(labels, value) for name, labels, value in meter.told if name == BYTES.name} == {
            (("http",), 0),
            (("s3",), 0),
        }
        for outcome in ("ok", "REMOTE_UNAVAILABLE", "REMOTE_TIMEOUT", "REMOTE_FORBIDDEN", "REMOTE_INVALID"):
            assert meter.observed(VIDEOS, "s3", outcome) == [0]

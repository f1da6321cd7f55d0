"""Web servers, good and bad."""

from __future__ import annotations

import asyncio
import dataclasses
import os
import time
from pathlib import Path
from typing import Any

import pytest
import trustme
from free_ports import free_port
from web_server import (
    Answer,
    WebServer,
    dripping,
    head,
    in_turn,
    partly,
    ranged,
    serving_web,
    status,
    whole,
)

from gateway.sources.fetched import FetchedVideo
from gateway.sources.rules import SourceRules
from gateway.sources.sources import Sources
from gateway.spool import Spool
from vidtomusictags.rpc import failures

DATA = os.urandom(1 << 20) * 3
KIB = 1024
MIB = 1 << 20


def url(web: WebServer, path: str = "/film.mp4") -> str:
    return f"{web.scheme}://localhost:{web.port}{path}"


async def test_a_server_with_ranges_is_read_in_parts_on_one_connection(
    web: WebServer, sources: Sources, spool: Spool
) -> None:
    web.answers["/film.mp4"] = ranged(DATA)
    async with sources.opened(await sources.place(url(web))) as video:
        assert isinstance(video, FetchedVideo)
        there = await video.until_there(2 * MIB + 10, 2 * MIB + 256 * KIB)
        await video.until_there(100, 256 * KIB)
        with video.path.open("rb") as file:
            file.seek(2 * MIB + 10)
            assert file.read(there - 2 * MIB - 10) == DATA[2 * MIB + 10 : there]
        assert spool.used_bytes == video.fetched_bytes == 512 * KIB
        assert video.path.stat().st_blocks * 512 < MIB
    assert spool.used_bytes == 0
    assert not video.path.exists()
    assert web.connections == 1
    first, second = web.requests
    assert first.headers["accept-encoding"] == "identity"
    assert (second.headers["range"], second.headers["if-range"]) == ("bytes=2097152-2359295", '"one"')


async def test_reading_on_asks_for_more_at_a_time_and_for_nothing_twice(web: WebServer, sources: Sources) -> None:
    web.answers["/film.mp4"] = ranged(DATA)
    async with sources.opened(await sources.place(url(web))) as video:
        assert isinstance(video, FetchedVideo)
        position = 0
        while position < len(DATA):
            position = await video.until_there(position, position + 1)
        assert video.fetched_bytes == len(DATA)
        assert video.path.read_bytes() == DATA
    assert len(web.requests) == 4


@pytest.mark.parametrize("length", [-1, None], ids=["known length", "unknown length"])
async def test_a_server_without_ranges_is_read_whole(
    length: int | None, web: WebServer, sources: Sources, fetch: Any
) -> None:
    web.answers["/film.mp4"] = whole(DATA, length=length)
    assert await fetch(sources, url(web)) == DATA
    assert len(web.requests) == 1


async def test_an_answer_that_breaks_off_is_asked_for_again_from_where_it_broke(
    web: WebServer, sources: Sources, fetch: Any
) -> None:
    good = ranged(DATA)
    broken = partly(
        206,
        DATA[256 * KIB : 300 * KIB],
        512 * KIB,
        Content_Range=f"bytes {256 * KIB}-{768 * KIB - 1}/{len(DATA)}",
        ETag='"one"',
    )
    web.answers["/film.mp4"] = in_turn(good, broken, status(503), good)
    assert await fetch(sources, url(web)) == DATA
    assert web.requests[2].range == web.requests[3].range == (300 * KIB, 768 * KIB - 1)


@pytest.mark.parametrize(
    ("answer", "failure"),
    [
        (status(404), failures.VideoNotFound),
        (status(410), failures.VideoNotFound),
        (status(401), failures.RemoteForbidden),
        (status(403), failures.RemoteForbidden),
        (status(418), failures.RemoteInvalid),
        (status(429), failures.RemoteUnavailable),
        (status(503), failures.RemoteUnavailable),
        (status(416, Content_Range="bytes */0"), failures.VideoUnreadable),
        (status(304), failures.RemoteInvalid),
        (whole(b""), failures.VideoUnreadable),
        (whole(DATA, Content_Encoding="gzip"), failures.RemoteInvalid),
        (whole(DATA, length=len(DATA) + 5), failures.RemoteUnavailable),
        (partly(206, b"x" * 10), failures.RemoteInvalid),
        (partly(206, b"x" * 10, Content_Range="bytes 5-14/100"), failures.RemoteInvalid),
        (partly(206, b"x" * 10, Content_Range="bytes 0-9/*"), failures.RemoteInvalid),
        (partly(206, b"x" * 10, Content_Range="bytes 0-9/5"), failures.RemoteInvalid),
        (partly(206, b"x" * 10, Content_Range="bytes 0-19/100"), failures.RemoteInvalid),
        (partly(206, b"x" * 10, Content_Range="bytes 0-999999/1000000"), failures.RemoteInvalid),
        (partly(206, b"x" * 10, Content_Type="multipart/byteranges; boundary=x"), failures.RemoteInvalid),
        (partly(206, b"x" * 10, None, Content_Range="bytes 0-19/100", Connection="close"), failures.RemoteUnavailable),
        (partly(206, b"x" * 30, None, Content_Range="bytes 0-19/100", Connection="close"), failures.RemoteInvalid),
    ],
)
async def test_a_first_answer_that_will_not_do_is_one_clear_failure(
    answer: Answer, failure: type[failures.Failure], web: WebServer, sources: Sources, spool: Spool, fetch: Any
) -> None:
    web.answers["/film.mp4"] = answer
    with pytest.raises(failure) as failed:
        await fetch(sources, url(web, "/film.mp4?X-Amz-Signature=secret"))
    assert "secret" not in failed.value.message and "127.0.0.1" not in failed.value.message
    assert spool.used_bytes == 0


@pytest.mark.parametrize(
    ("later", "failure"),
    [
        (ranged(DATA, etag='"two"'), failures.VideoChanged),
        (ranged(DATA[:-1]), failures.VideoChanged),
        (whole(DATA, ETag='"one"'), failures.VideoChanged),
        (status(412), failures.VideoChanged),
        (status(403), failures.RemoteForbidden),
        (status(404), failures.VideoNotFound),
        (status(302, Location="/elsewhere"), failures.VideoChanged),
        (status(500), failures.RemoteUnavailable),
        (
            partly(206, DATA[:512], Content_Range=f"bytes 0-511/{len(DATA)}", ETag='"one"'),
            failures.RemoteInvalid,
        ),
        (ranged(DATA, etag=""), failures.VideoChanged),
    ],
)
async def test_a_later_answer_about_another_file_is_an_error_and_no_mixture(
    later: Answer, failure: type[failures.Failure], web: WebServer, sources: Sources, fetch: Any
) -> None:
    web.answers["/film.mp4"] = in_turn(ranged(DATA), later)
    with pytest.raises(failure):
        await fetch(sources, url(web))


async def test_without_validators_the_length_still_tells(web: WebServer, sources: Sources, fetch: Any) -> None:
    web.answers["/film.mp4"] = in_turn(ranged(DATA, etag=""), ranged(DATA + b"x", etag=""))
    with pytest.raises(failures.VideoChanged):
        await fetch(sources, url(web))


async def test_a_weak_etag_is_compared_but_not_sent(web: WebServer, sources: Sources, fetch: Any) -> None:
    web.answers["/film.mp4"] = ranged(DATA, etag='W/"one"')
    assert await fetch(sources, url(web)) == DATA
    assert not any("if-range" in request.headers for request in web.requests)


class TestLimits:
    async def test_too_large_a_file_is_refused_before_it_is_read(
        self, web: WebServer, rules: SourceRules, sources_with: Any, fetch: Any
    ) -> None:
        async with sources_with(dataclasses.replace(rules, max_bytes=MIB)) as sources:
            for answer in (ranged(DATA), whole(DATA)):
                web.answers["/film.mp4"] = answer
                with pytest.raises(failures.VideoTooLarge):
                    await fetch(sources, url(web))
        assert len(web.requests) == 2

    @pytest.mark.parametrize("answer", [ranged(DATA), whole(DATA), whole(DATA, length=None)])
    async def test_no_more_is_fetched_than_allowed(
        self, answer: Answer, web: WebServer, rules: SourceRules, sources_with: Any, fetch: Any
    ) -> None:
        web.answers["/film.mp4"] = answer
        async with sources_with(dataclasses.replace(rules, max_fetched_bytes=MIB)) as sources:
            with pytest.raises(failures.VideoTooLarge, match="fetched"):
                await fetch(sources, url(web))

    async def test_what_is_fetched_counts_as_room_of_the_spool(
        self, web: WebServer, sources: Sources, spool: Spool, fetch: Any
    ) -> None:
        web.answers["/film.mp4"] = ranged(DATA)
        spool.take(spool.max_total_bytes - MIB)
        with pytest.raises(failures.SpoolFull):
            await fetch(sources, url(web))
        assert spool.used_bytes == spool.max_total_bytes - MIB

    async def test_a_silent_server_is_given_up(
        self, web: WebServer, rules: SourceRules, sources_with: Any, fetch: Any
    ) -> None:
        web.answers["/film.mp4"] = lambda request, writer: asyncio.sleep(60)
        async with sources_with(dataclasses.replace(rules, idle_seconds=0.2)) as sources:
            with pytest.raises(failures.RemoteTimeout):
                await fetch(sources, url(web))

    async def test_a_server_that_drips_is_given_up(
        self, web: WebServer, rules: SourceRules, sources_with: Any, fetch: Any
    ) -> None:
        web.answers["/film.mp4"] = dripping(DATA, pause_seconds=0.02)
        async with sources_with(dataclasses.replace(rules, total_seconds=0.5)) as sources:
            began = time.monotonic()
            with pytest.raises(failures.RemoteTimeout):
                await fetch(sources, url(web))
            assert time.monotonic() - began < 10

    async def test_a_head_that_drips_is_given_up(
        self, web: WebServer, rules: SourceRules, sources_with: Any, fetch: Any
    ) -> None:
        async def answer(request: Any, writer: asyncio.StreamWriter) -> None:
            for byte in head(200, {"X": "x" * 100_000}, 0):
                writer.write(bytes([byte]))
                await writer.drain()
                await asyncio.sleep(0.02)

        web.answers["/film.mp4"] = answer
        async with sources_with(dataclasses.replace(rules, total_seconds=0.5)) as sources:
            with pytest.raises(failures.RemoteTimeout):
                await fetch(sources, url(web))

    async def test_leaving_ends_all_requests(self, web: WebServer, sources: Sources, spool: Spool) -> None:
        reached, left = asyncio.Event(), asyncio.Event()

        async def answer(request: Any, writer: asyncio.StreamWriter) -> None:
            reached.set()
            try:
                await asyncio.sleep(60)
            finally:
                left.set()

        web.answers["/film.mp4"] = in_turn(ranged(DATA), answer)

        async def read() -> None:
            async with sources.opened(await sources.place(url(web))) as video:
                assert isinstance(video, FetchedVideo)
                await video.until_there(MIB, 2 * MIB)

        reading = asyncio.create_task(read())
        await reached.wait()
        began = time.monotonic()
        reading.cancel()
        await asyncio.gather(reading, return_exceptions=True)
        assert time.monotonic() - began < 1
        assert spool.used_bytes == 0


class TestRedirects:
    @pytest.fixture
    def web(self, secure_web: WebServer) -> WebServer:
        return secure_web

    @pytest.fixture
    def rules(self, secure_rules: SourceRules) -> SourceRules:
        return secure_rules

    async def test_they_are_followed_by_every_form_of_location(
        self, web: WebServer, sources: Sources, fetch: Any
    ) -> None:
        web.answers["/a"] = status(302, Location="/b")
        web.answers["/b"] = status(307, Location="c?d=1")
        web.answers["/c"] = status(308, Location=url(web))
        web.answers["/film.mp4"] = ranged(DATA)
        assert await fetch(sources, url(web, "/a?secret=1")) == DATA
        assert not any("secret" in str(request) for request in web.requests[1:])

    async def test_later_parts_are_read_where_it_ended(self, web: WebServer, sources: Sources, fetch: Any) -> None:
        web.answers["/a"] = in_turn(status(302, Location="/film.mp4"), status(500))
        web.answers["/film.mp4"] = ranged(DATA)
        assert await fetch(sources, url(web, "/a")) == DATA

    async def test_there_are_not_too_many(self, web: WebServer, sources: Sources, fetch: Any) -> None:
        web.answers["/a"] = status(302, Location="/a")
        with pytest.raises(failures.UriRefused, match="more than 3 times"):
            await fetch(sources, url(web, "/a"))
        assert len(web.requests) == 4

    @pytest.mark.parametrize(
        ("location", "failure"),
        [
            ("https://127.0.0.1:{port}/film.mp4", failures.UriRefused),
            ("https://localhost/film.mp4", failures.UriRefused),
            ("https://169.254.169.254/latest/meta-data", failures.UriRefused),
            ("http://localhost:{port}/film.mp4", failures.UriRefused),
            ("//evil.example/film.mp4", failures.UriRefused),
            ("https://user:pass@localhost:{port}/film.mp4", failures.UriInvalid),
            ("file:///etc/passwd", failures.UriInvalid),
            ("ftp://localhost/film.mp4", failures.UriInvalid),
            ("https://2130706433:{port}/film.mp4", failures.UriInvalid),
        ],
    )
    async def test_each_is_checked_as_if_it_had_been_named(
        self, location: str, failure: type[failures.Failure], web: WebServer, sources: Sources, fetch: Any
    ) -> None:
        web.answers["/a"] = status(302, Location=location.format(port=web.port))
        web.answers["/film.mp4"] = ranged(DATA)
        with pytest.raises(failure):
            await fetch(sources, url(web, "/a"))
        assert len(web.requests) == 1

    async def test_https_never_leads_to_plain_http_even_to_a_host_that_is_allowed(
        self, web: WebServer, rules: SourceRules, sources_with: Any, fetch: Any
    ) -> None:
        async with serving_web() as plain:
            host = f"localhost:{plain.port}"
            plain.answers["/film.mp4"] = ranged(DATA)
            web.answers["/a"] = status(302, Location=f"http://{host}/film.mp4")
            both = dataclasses.replace(rules, insecure_hosts=(host,), private_hosts=(*rules.private_hosts, host))
            async with sources_with(both) as sources:
                assert await fetch(sources, f"http://{host}/film.mp4") == DATA
                with pytest.raises(failures.UriRefused, match="plain http"):
                    await fetch(sources, url(web, "/a"))


class TestCertificates:
    async def test_a_server_that_shows_a_good_one_is_read_by_tls(
        self, secure_web: WebServer, secure_rules: SourceRules, sources_with: Any, fetch: Any
    ) -> None:
        secure_web.answers["/film.mp4"] = ranged(DATA)
        async with sources_with(secure_rules) as sources:
            assert await fetch(sources, url(secure_web)) == DATA
        assert secure_web.connections == 1

    async def test_a_server_of_another_name_is_not_read(
        self, authority: trustme.CA, secure_rules: SourceRules, sources_with: Any, fetch: Any
    ) -> None:
        async with serving_web(authority, names=("elsewhere.example",)) as web:
            web.answers["/film.mp4"] = ranged(DATA)
            host = f"localhost:{web.port}"
            async with sources_with(dataclasses.replace(secure_rules, hosts=(host,), private_hosts=(host,))) as sources:
                with pytest.raises(failures.RemoteInvalid, match="certificate"):
                    await fetch(sources, url(web))
            assert web.requests == []

    async def test_authorities_are_read_anew_when_their_file_changes_and_kept_where_it_is_of_no_use(
        self, secure_web: WebServer, secure_rules: SourceRules, tmp_path: Path, sources_with: Any, fetch: Any
    ) -> None:
        secure_web.answers["/film.mp4"] = ranged(DATA)
        ca_file, right = tmp_path / "ca.pem", secure_rules.ca_file
        assert right is not None
        trustme.CA().cert_pem.write_to_path(str(ca_file))
        async with sources_with(dataclasses.replace(secure_rules, ca_file=ca_file)) as sources:
            with pytest.raises(failures.RemoteInvalid, match="certificate"):
                await fetch(sources, url(secure_web))
            ca_file.write_bytes(right.read_bytes())
            assert await fetch(sources, url(secure_web)) == DATA
            ca_file.write_text("half a file")
            assert await fetch(sources, url(secure_web)) == DATA

    async def test_an_unknown_authority_is_not_believed(
        self, secure_web: WebServer, secure_rules: SourceRules, sources_with: Any, fetch: Any
    ) -> None:
        async with sources_with(dataclasses.replace(secure_rules, ca_file=None)) as sources:
            with pytest.raises(failures.RemoteInvalid, match="certificate"):
                await fetch(sources, url(secure_web))


async def test_a_server_that_is_not_there_is_unavailable(rules: SourceRules, sources_with: Any, fetch: Any) -> None:
    host = f"localhost:{free_port()}"
    async with sources_with(dataclasses.replace(rules, insecure_hosts=(host,), private_hosts=(host,))) as sources:
        with pytest.raises(failures.RemoteUnavailable):
            await fetch(sources, f"http://{host}/film.mp4")


async def test_the_spool_keeps_no_file(web: WebServer, sources: Sources, fetch: Any, tmp_path: Path) -> None:
    web.answers["/film.mp4"] = in_turn(ranged(DATA), status(404))
    with pytest.raises(failures.VideoNotFound):
        await fetch(sources, url(web))
    assert [path.name for path in (tmp_path / "spool").rglob("*") if path.is_file()] == ["lock"]

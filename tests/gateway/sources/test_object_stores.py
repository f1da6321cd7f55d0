"""Object stores: S3 by moto's server, Google Cloud Storage by a small one that speaks its JSON API."""

from __future__ import annotations

import asyncio
import dataclasses
import json
import os
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit

import boto3
import pytest
from moto.server import ThreadedMotoServer
from recording_meter import RecordingMeter
from web_server import Request, WebServer, head, partly, ranged, serving_web, status

from gateway.sources.fetched import FetchedVideo
from gateway.sources.fetches import BYTES, REQUESTS, VIDEOS, Fetches
from gateway.sources.rules import SourceRules
from gateway.sources.sources import Sources, running_sources
from gateway.spool import Spool
from vidtomusictags.rpc import failures

DATA = os.urandom(1 << 20) * 3
KIB = 1024
MIB = 1 << 20


@pytest.fixture(scope="module")
def s3_endpoint() -> Iterator[str]:
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    _, port = server.get_host_and_port()
    yield f"http://127.0.0.1:{port}"
    server.stop()


@pytest.fixture
def bucket(s3_endpoint: str, monkeypatch: pytest.MonkeyPatch) -> Any:
    """The store's own client, and credentials in the environment as an operator has them."""
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "key-of-gateway")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "top-secret")
    monkeypatch.setenv("AWS_DEFAULT_REGION", "us-east-1")
    client = boto3.client("s3", endpoint_url=s3_endpoint)
    client.create_bucket(Bucket="clips")
    client.put_object(Bucket="clips", Key="films/film.mp4", Body=DATA)
    yield client
    client.close()


@pytest.fixture
async def s3(s3_endpoint: str, bucket: Any, spool: Spool) -> AsyncIterator[Sources]:
    rules = SourceRules(buckets=("s3://clips",), s3_endpoint=s3_endpoint, idle_seconds=30.0)
    async with running_sources(rules, spool) as sources:
        yield sources


class FakeStorage:
    """Objects by bucket and name, each with its generation. Only the newest can be read."""

    def __init__(self, web: WebServer) -> None:
        self.objects: dict[tuple[str, str], tuple[bytes, int]] = {}
        self.more: dict[str, object] = {}
        self.ranges: list[tuple[int, int] | None] = []
        self.web = web

    def put(self, bucket: str, name: str, data: bytes) -> None:
        _, generation = self.objects.get((bucket, name), (b"", 1))
        self.objects[bucket, name] = (data, generation + 1)
        path = f"/storage/v1/b/{bucket}/o/{name.replace('/', '%2F')}"
        for known in (path, f"/download{path}"):
            self.web.answers[known] = self.answer

    async def answer(self, request: Request, writer: asyncio.StreamWriter) -> None:
        parts = urlsplit(request.target)
        query = parse_qs(parts.query)
        _, _, rest = parts.path.partition("/b/")
        bucket, _, name = rest.partition("/o/")
        data, generation = self.objects[bucket, unquote(name)]
        if query.get("alt") == ["media"]:
            self.ranges.append(request.range)
            known = query.get("generation", [str(generation)]) == [str(generation)]
            await (ranged(data, etag="") if known else status(404))(request, writer)
            return
        facts = json.dumps({"size": str(len(data)), "generation": str(generation)} | self.more).encode()
        writer.write(head(200, {"Content-Type": "application/json"}, len(facts)) + facts)


@pytest.fixture
async def storage() -> AsyncIterator[FakeStorage]:
    async with serving_web() as web:
        fake = FakeStorage(web)
        fake.put("archive", "films/film.mp4", DATA)
        yield fake


@pytest.fixture
def gs_meter() -> RecordingMeter:
    return RecordingMeter()


@pytest.fixture
async def gs(storage: FakeStorage, spool: Spool, gs_meter: RecordingMeter) -> AsyncIterator[Sources]:
    rules = SourceRules(
        buckets=("gs://archive/films/",),
        gs_endpoint=f"http://127.0.0.1:{storage.web.port}",
        gs_anonymous=True,
        idle_seconds=30.0,
    )
    async with running_sources(rules, spool, Fetches(gs_meter)) as sources:
        yield sources


async def read_in_parts(sources: Sources, uri: str, spool: Spool) -> None:
    async with sources.opened(await sources.place(uri)) as video:
        assert isinstance(video, FetchedVideo)
        assert video.size_bytes == len(DATA)
        await video.until_there(2 * MIB, 2 * MIB + 256 * KIB)
        with video.path.open("rb") as file:
            file.seek(2 * MIB)
            assert file.read(256 * KIB) == DATA[2 * MIB : 2 * MIB + 256 * KIB]
        assert spool.used_bytes == video.fetched_bytes == 256 * KIB
    assert spool.used_bytes == 0


async def read_while_it_changes(sources: Sources, uri: str, change: Any) -> None:
    async with sources.opened(await sources.place(uri)) as video:
        assert isinstance(video, FetchedVideo)
        await video.until_there(0, 100)
        await asyncio.to_thread(change)
        with pytest.raises(failures.VideoChanged):
            await video.until_there(2 * MIB, 2 * MIB + 100)


class TestS3:
    async def test_an_object_is_read_in_parts(self, s3: Sources, spool: Spool) -> None:
        await read_in_parts(s3, "s3://clips/films/film.mp4", spool)

    async def test_an_object_is_read_whole(self, s3: Sources, fetch: Any) -> None:
        assert await fetch(s3, "s3://clips/films/film.mp4") == DATA

    async def test_one_that_changes_while_it_is_read_is_an_error(self, s3: Sources, bucket: Any) -> None:
        await read_while_it_changes(
            s3,
            "s3://clips/films/film.mp4",
            lambda: bucket.put_object(Bucket="clips", Key="films/film.mp4", Body=DATA[::-1]),
        )

    async def test_one_that_is_not_there_is_not_found(self, s3: Sources, fetch: Any) -> None:
        with pytest.raises(failures.VideoNotFound):
            await fetch(s3, "s3://clips/films/none.mp4")

    async def test_an_empty_one_is_no_video(self, s3: Sources, bucket: Any, fetch: Any) -> None:
        bucket.put_object(Bucket="clips", Key="empty", Body=b"")
        with pytest.raises(failures.VideoUnreadable):
            await fetch(s3, "s3://clips/empty")

    async def test_a_compressed_one_is_refused(self, s3: Sources, bucket: Any, fetch: Any) -> None:
        bucket.put_object(Bucket="clips", Key="zipped", Body=DATA, ContentEncoding="gzip")
        with pytest.raises(failures.RemoteInvalid, match="compressed"):
            await fetch(s3, "s3://clips/zipped")

    async def test_a_refusal_of_the_store_tells_nothing_of_its_reasons(
        self, rules: SourceRules, web: WebServer, sources_with: Any, fetch: Any, bucket: Any
    ) -> None:
        body = b"<Error><Code>AccessDenied</Code><Message>arn:aws:iam::1:role/x lacks s3:GetObject</Message></Error>"

        async def answer(request: Request, writer: asyncio.StreamWriter) -> None:
            writer.write(head(403, {"Content-Type": "application/xml"}, len(body)) + body)

        web.answers["/clips/film.mp4"] = answer
        endpoint = f"http://127.0.0.1:{web.port}"
        async with sources_with(SourceRules(buckets=("s3://clips",), s3_endpoint=endpoint)) as sources:
            with pytest.raises(failures.RemoteForbidden) as refused:
                await fetch(sources, "s3://clips/film.mp4")
        assert not any(secret in refused.value.message for secret in ("arn", "role", "key-of", "127.0.0.1"))
        assert "Signature=" in web.requests[0].headers["authorization"]

    async def test_without_credentials_none_are_sent_where_the_operator_says_so(
        self, web: WebServer, sources_with: Any, fetch: Any, bucket: Any
    ) -> None:
        web.answers["/clips/film.mp4"] = ranged(DATA)
        rules = SourceRules(buckets=("s3://clips",), s3_endpoint=f"http://127.0.0.1:{web.port}", s3_anonymous=True)
        async with sources_with(rules) as sources:
            assert await fetch(sources, "s3://clips/film.mp4") == DATA
        assert not any("authorization" in request.headers for request in web.requests)

    @pytest.mark.parametrize("told", [{}, {"Content-Range": f"bytes 0-{1 << 39}/{1 << 40}"}], ids=["none", "too much"])
    async def test_of_a_store_that_keeps_to_no_range_nothing_is_read(
        self, told: dict[str, object], web: WebServer, sources_with: Any, fetch: Any, bucket: Any
    ) -> None:
        sent = 0

        async def answer(request: Request, writer: asyncio.StreamWriter) -> None:
            nonlocal sent
            writer.write(head(206 if told else 200, told, 1 << 40))
            while not writer.transport.is_closing():
                writer.write(bytes(MIB))
                sent += MIB
                await writer.drain()

        web.answers["/clips/film.mp4"] = answer
        rules = SourceRules(buckets=("s3://clips",), s3_endpoint=f"http://127.0.0.1:{web.port}")
        async with sources_with(rules) as sources:
            with pytest.raises(failures.RemoteInvalid):
                await fetch(sources, "s3://clips/film.mp4")
        assert sent < 64 * MIB, "what lies in the buffers of sockets"

    async def test_a_store_that_breaks_off_in_the_beginning_is_worth_another_try(
        self, web: WebServer, sources_with: Any, fetch: Any, bucket: Any
    ) -> None:
        web.answers["/clips/film.mp4"] = partly(206, DATA[:50], 100, Content_Range="bytes 0-99/1000")
        rules = SourceRules(buckets=("s3://clips",), s3_endpoint=f"http://127.0.0.1:{web.port}")
        async with sources_with(rules) as sources:
            with pytest.raises(failures.RemoteUnavailable) as gone:
                await fetch(sources, "s3://clips/film.mp4")
        assert gone.value.retry_after_seconds

    async def test_a_silent_store_is_given_up(self, web: WebServer, sources_with: Any, fetch: Any, bucket: Any) -> None:
        web.answers["/clips/film.mp4"] = lambda request, writer: asyncio.sleep(60)
        rules = SourceRules(buckets=("s3://clips",), s3_endpoint=f"http://127.0.0.1:{web.port}", total_seconds=0.5)
        async with sources_with(rules) as sources:
            with pytest.raises(failures.RemoteTimeout):
                await fetch(sources, "s3://clips/film.mp4")

    async def test_too_large_an_object_is_refused(
        self, s3_endpoint: str, bucket: Any, sources_with: Any, fetch: Any
    ) -> None:
        rules = SourceRules(buckets=("s3://clips",), s3_endpoint=s3_endpoint, max_bytes=MIB)
        async with sources_with(rules) as sources:
            with pytest.raises(failures.VideoTooLarge):
                await fetch(sources, "s3://clips/films/film.mp4")


class TestGs:
    async def test_an_object_is_read_in_parts(self, gs: Sources, storage: FakeStorage, spool: Spool) -> None:
        await read_in_parts(gs, "gs://archive/films/film.mp4", spool)
        assert storage.ranges == [(2 * MIB, 2 * MIB + 256 * KIB - 1)]

    async def test_its_bytes_and_requests_are_counted(
        self, gs: Sources, storage: FakeStorage, gs_meter: RecordingMeter, fetch: Any
    ) -> None:
        await fetch(gs, "gs://archive/films/film.mp4")
        assert gs_meter.sum(BYTES, "gs") == len(DATA)
        assert gs_meter.sum(REQUESTS, "gs", "ok") == gs_meter.sum(REQUESTS) == 1 + len(storage.ranges)
        with pytest.raises(failures.VideoNotFound):
            await fetch(gs, "gs://archive/films/none.mp4")
        assert gs_meter.sum(VIDEOS, "gs", "VIDEO_NOT_FOUND") == gs_meter.sum(VIDEOS, "gs", "ok") == 1

    async def test_an_object_is_read_whole(self, gs: Sources, fetch: Any) -> None:
        assert await fetch(gs, "gs://archive/films/film.mp4") == DATA

    async def test_one_that_changes_while_it_is_read_is_an_error(self, gs: Sources, storage: FakeStorage) -> None:
        await read_while_it_changes(
            gs, "gs://archive/films/film.mp4", lambda: storage.put("archive", "films/film.mp4", DATA[::-1])
        )

    async def test_one_that_is_not_there_is_not_found(self, gs: Sources, fetch: Any) -> None:
        with pytest.raises(failures.VideoNotFound):
            await fetch(gs, "gs://archive/films/none.mp4")

    async def test_an_empty_one_is_no_video(self, gs: Sources, storage: FakeStorage, fetch: Any) -> None:
        storage.put("archive", "films/empty", b"")
        with pytest.raises(failures.VideoUnreadable):
            await fetch(gs, "gs://archive/films/empty")

    async def test_a_compressed_one_is_refused(self, gs: Sources, storage: FakeStorage, fetch: Any) -> None:
        storage.more = {"contentEncoding": "gzip"}
        with pytest.raises(failures.RemoteInvalid, match="compressed"):
            await fetch(gs, "gs://archive/films/film.mp4")

    async def test_a_refusal_of_the_store_tells_nothing_of_its_reasons(
        self, gs: Sources, storage: FakeStorage, fetch: Any
    ) -> None:
        body = b'{"error": {"code": 403, "message": "gateway@project.iam lacks storage.objects.get"}}'

        async def answer(request: Request, writer: asyncio.StreamWriter) -> None:
            writer.write(head(403, {"Content-Type": "application/json"}, len(body)) + body)

        storage.web.answers["/storage/v1/b/archive/o/films%2Ffilm.mp4"] = answer
        with pytest.raises(failures.RemoteForbidden) as refused:
            await fetch(gs, "gs://archive/films/film.mp4")
        assert not any(secret in refused.value.message for secret in ("iam", "storage.objects", "127.0.0.1"))


async def test_credentials_that_are_not_there_are_the_operators_business(
    sources_with: Any, fetch: Any, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_PROFILE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("GOOGLE_APPLICATION_CREDENTIALS", str(tmp_path / "none.json"))
    rules = SourceRules(buckets=("s3://clips", "gs://clips"), s3_endpoint="http://127.0.0.1:9", total_seconds=10.0)
    async with sources_with(rules) as sources:
        for scheme in ("s3", "gs"):
            with pytest.raises(failures.RemoteForbidden, match="operator") as refused:
                await fetch(sources, f"{scheme}://clips/a.mp4")
            assert str(tmp_path) not in refused.value.message


async def test_a_library_that_is_missing_stops_the_start_with_what_to_install(
    rules: SourceRules, sources_with: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("gateway.sources.sources.find_spec", lambda name: None)
    for needing in (rules, SourceRules(hosts=("a.example",)), SourceRules(buckets=("gs://clips",))):
        with pytest.raises(ValueError, match=r"GATEWAY_REMOTE_\w+ needs .*pip install 'vidtomusictags\[remote\]'"):
            async with sources_with(needing):
                pass
    async with sources_with(dataclasses.replace(rules, insecure_hosts=())):
        pass  # nothing remote is allowed, so nothing is missing

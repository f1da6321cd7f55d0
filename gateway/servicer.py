"""Serves the gateway's contract: translates, asks the tagger, translates."""

from __future__ import annotations

import time
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import aclosing
from pathlib import Path
from typing import Any

from google.rpc import status_pb2
from structlog.contextvars import bind_contextvars

from gateway.events import Event, Tagged
from gateway.heartbeat import with_heartbeat
from gateway.receiving import MAX_CHUNK_BYTES, receive, receiving_progress
from gateway.settings import GatewaySettings
from gateway.sources.fetched import FetchedVideo
from gateway.sources.source import Place
from gateway.sources.sources import Sources
from gateway.spool import Spool, Upload
from gateway.tagger import Prepared, Tagger
from gateway.translation import event_message, to_order
from gateway.video.supplying import ArrivingVideo
from vidtomusictags.gateway.v1 import gateway_pb2 as pb
from vidtomusictags.gateway.v1 import gateway_pb2_grpc
from vidtomusictags.rpc.conversation import Requests, telling_failures
from vidtomusictags.rpc.logs import take_request_id
from vidtomusictags.version import VERSION

SERVICE = pb.DESCRIPTOR.services_by_name["TaggingService"]
PERMISSIONS = {"TagVideo": "tag", "TagUpload": "tag"}
"""What a caller must be allowed to call each method."""


class TaggingServicer(gateway_pb2_grpc.TaggingServiceServicer):
    """Videos in, tags out."""

    def __init__(self, tagger: Tagger, spool: Spool, sources: Sources, settings: GatewaySettings) -> None:
        self._tagger = tagger
        self._spool = spool
        self._sources = sources
        self._settings = settings

    def TagVideo(self, request: pb.TagVideoRequest, context: Any) -> Any:
        """See the contract."""
        return telling_failures(self._tag_video(request), error_event=_video_error, domain=SERVICE.full_name)

    def TagUpload(self, request_iterator: AsyncIterator[pb.TagUploadRequest], context: Any) -> Any:
        """See the contract."""
        requests = Requests(request_iterator)
        events = self._tag_upload(requests)
        return telling_failures(events, error_event=_upload_error, domain=SERVICE.full_name, requests=requests)

    async def _tag_video(self, request: pb.TagVideoRequest) -> AsyncGenerator[pb.TagVideoResponse, None]:
        order = to_order(take_request_id(request.request_id), request.options)
        place = await self._sources.place(request.uri)
        prepared = await self._tagger.prepare(order)
        yield pb.TagVideoResponse(event=self._accepted(order.request_id))
        async with aclosing(self._numbered(self._fetch_and_tag(place, prepared))) as events:
            async for event in events:
                yield pb.TagVideoResponse(event=event)

    async def _fetch_and_tag(self, place: Place, prepared: Prepared) -> AsyncGenerator[Event, None]:
        started = time.monotonic()
        if place.is_remote:
            yield receiving_progress(0, 0)
        async with self._sources.opened(place) as video:
            source: Path | ArrivingVideo = video
            received = None
            if isinstance(video, FetchedVideo):
                if prepared.reads_all or not await video.is_read_in_parts():
                    async with aclosing(video.fetch_all()) as fetching:
                        async for done in fetching:
                            yield receiving_progress(done, video.known_bytes)
                    source = video.path
                received = time.monotonic() - started
            tagging = self._tagger.tag(source, prepared, started=started, receiving_seconds=received)
            async with aclosing(tagging) as events:
                async for event in events:
                    yield event

    async def _tag_upload(self, requests: Requests[pb.TagUploadRequest]) -> AsyncGenerator[pb.TagUploadResponse, None]:
        config = (await requests.config(within_seconds=self._settings.first_message_seconds)).config
        size = config.size_bytes if config.HasField("size_bytes") else None
        order = to_order(take_request_id(config.request_id), config.options)
        async with self._spool.receiving(size) as upload:
            prepared = await self._tagger.prepare(order)
            yield pb.TagUploadResponse(event=self._accepted(order.request_id))
            async with aclosing(self._numbered(self._receive_and_tag(requests, prepared, upload, size))) as events:
                async for event in events:
                    yield pb.TagUploadResponse(event=event)

    async def _receive_and_tag(
        self, requests: Requests[pb.TagUploadRequest], prepared: Prepared, upload: Upload, size: int | None
    ) -> AsyncGenerator[Event, None]:
        started = time.monotonic()
        chunks = _chunks(requests, idle_seconds=self._settings.idle_seconds)
        async with self._tagger.sampling_early(upload, prepared, size_bytes=size) as early:
            async with aclosing(receive(chunks, upload, size_bytes=size)) as receiving:
                async for progress in receiving:
                    yield progress
            received = time.monotonic() - started
            tagging = self._tagger.tag(upload.path, prepared, started=started, receiving_seconds=received, early=early)
            async with aclosing(tagging) as events:
                async for event in events:
                    requests.check_end()
                    yield event

    async def _numbered(self, events: AsyncGenerator[Event, None]) -> AsyncGenerator[pb.TagEvent, None]:
        """The messages of what happens after `accepted`, with a sign of life when nothing does."""
        sequence = 2
        beating = with_heartbeat(events, every_seconds=self._settings.heartbeat_seconds)
        async with aclosing(beating):
            async for event in beating:
                if isinstance(event, Tagged):
                    bind_contextvars(caption_attempts=event.description.attempts, classify_attempts=event.tags.attempts)
                yield event_message(sequence, event, VERSION)
                sequence += 1

    def _accepted(self, request_id: str) -> pb.TagEvent:
        accepted = pb.TagAccepted(
            request_id=request_id, max_chunk_bytes=MAX_CHUNK_BYTES, max_upload_bytes=self._spool.max_upload_bytes
        )
        return pb.TagEvent(sequence=1, accepted=accepted)


async def _chunks(requests: Requests[pb.TagUploadRequest], *, idle_seconds: float) -> AsyncIterator[bytes | int]:
    """The bytes of the upload, and last the size that its caller counts."""
    async for message in requests.input(idle_seconds=idle_seconds):
        yield message.chunk.data if message.WhichOneof("request") == "chunk" else message.end_of_input.size_bytes


def _video_error(sequence: int, status: status_pb2.Status) -> pb.TagVideoResponse:
    return pb.TagVideoResponse(event=pb.TagEvent(sequence=sequence, error=status))


def _upload_error(sequence: int, status: status_pb2.Status) -> pb.TagUploadResponse:
    return pb.TagUploadResponse(event=pb.TagEvent(sequence=sequence, error=status))

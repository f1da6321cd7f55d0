"""The client for asyncio: any number of calls at once over one connection, on one event loop."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterable
from contextlib import suppress
from types import TracebackType
from typing import Any, Self, Unpack

import grpc

from vidtomusictags.client.calls import failure_of
from vidtomusictags.client.result import TaggedVideo
from vidtomusictags.client.tagging import (
    SERVICE,
    Listener,
    OnProgress,
    OnText,
    TagOptions,
    check_size,
    chunk_bytes,
    options_message,
)
from vidtomusictags.client.video import Upload, Video, opened
from vidtomusictags.gateway.v1 import gateway_pb2 as pb
from vidtomusictags.gateway.v1.gateway_pb2_grpc import TaggingServiceStub
from vidtomusictags.rpc.channels import stream_channel
from vidtomusictags.rpc.credentials import Credentials
from vidtomusictags.rpc.endings import Ending
from vidtomusictags.rpc.proof import NOTHING, Proof


class AsyncClient:
    """Tags videos through a gateway. An asynchronous context manager; made and used on one running event loop.

    target: the gateway's address. timeout_seconds: longest that one video may take, its upload included.
    credentials: what the gateway is shown and known by; left out, plaintext and nothing. Raises OSError or
    CredentialsUnusable for files that cannot be used, and where a token would be shown to the network.
    """

    def __init__(
        self,
        target: str = "127.0.0.1:50050",
        *,
        timeout_seconds: float = 300.0,
        credentials: Credentials | None = None,
    ) -> None:
        self._target = target
        self._timeout_seconds = timeout_seconds
        self._channel = stream_channel(target, SERVICE, Proof(credentials) if credentials else NOTHING)
        self._stub = TaggingServiceStub(self._channel)

    async def tag(
        self,
        video: Video,
        *,
        request_id: str = "",
        on_progress: OnProgress | None = None,
        on_text: OnText | None = None,
        **options: Unpack[TagOptions],
    ) -> TaggedVideo:
        """As `Client.tag`; on_progress and on_text are called on the event loop. Cancelling it cancels the work."""
        wanted = options_message(options, text_deltas=on_text is not None)
        listener = Listener(on_progress, on_text)
        with opened(video) as source:  # a local open; reads go to a thread
            if isinstance(source, str):
                request = pb.TagVideoRequest(request_id=request_id, uri=source, options=wanted)
                call = self._stub.TagVideo(request, timeout=self._timeout_seconds)
                await self._listen(call, listener)
            else:
                config = pb.UploadConfig(request_id=request_id, size_bytes=source.size_bytes, options=wanted)
                await self._upload(source, config, listener)
        return listener.result()

    async def close(self) -> None:
        """Ends every call and lets the connection go."""
        await self._channel.close()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()

    async def _upload(self, upload: Upload, config: pb.UploadConfig, listener: Listener) -> None:
        call = self._stub.TagUpload(timeout=self._timeout_seconds)
        writer = _Writer(call, upload)
        writing = asyncio.create_task(writer.write(config))
        try:
            await self._listen(call, listener, writer)
        except Exception:
            if writer.failure is not None:
                raise writer.failure from None
            raise
        finally:
            writing.cancel()
            await asyncio.wait({writing})

    async def _listen(self, call: Any, listener: Listener, writer: _Writer | None = None) -> None:
        responses: AsyncIterable[pb.TagVideoResponse | pb.TagUploadResponse] = call
        ending = Ending(call)
        try:
            async for response in responses:
                if writer is not None and response.event.WhichOneof("event") == "accepted":
                    writer.accepted(response.event.accepted)
                listener.hear(response.event)
        except grpc.RpcError as error:
            raise failure_of(
                ending.behind(error), service="gateway", target=self._target, timeout_seconds=self._timeout_seconds
            ) from None
        finally:
            call.cancel()  # grpc.aio never collects a dropped call (grpc/grpc#43462)


class _Writer:
    """The caller's side of an upload.

    A failure to read the file ends the stream without the counted end that the server waits for, and is kept in
    `failure`; how the call itself fails is for its reader to tell.
    """

    def __init__(self, call: Any, upload: Upload) -> None:
        self._call = call
        self._upload = upload
        self._accepted: asyncio.Future[pb.TagAccepted] = asyncio.get_running_loop().create_future()
        self.failure: Exception | None = None

    def accepted(self, message: pb.TagAccepted) -> None:
        """The server has accepted: send the rest."""
        if not self._accepted.done():
            self._accepted.set_result(message)

    async def write(self, config: pb.UploadConfig) -> None:
        """Sends everything."""
        with suppress(grpc.RpcError, asyncio.InvalidStateError):  # the call is over
            await self._call.write(pb.TagUploadRequest(config=config))
            limits = await self._accepted
            try:
                await self._write_file(limits)
            except (grpc.RpcError, asyncio.InvalidStateError):
                raise
            except Exception as error:  # raised again by `tag`, see `failure`
                self.failure = error
            await self._call.done_writing()

    async def _write_file(self, limits: pb.TagAccepted) -> None:
        check_size(self._upload.size_bytes, limits)
        sent = 0
        while data := await asyncio.to_thread(self._upload.file.read, chunk_bytes(limits)):
            await self._call.write(pb.TagUploadRequest(chunk=pb.UploadChunk(data=data)))
            sent += len(data)
        await self._call.write(pb.TagUploadRequest(end_of_input=pb.EndOfUpload(size_bytes=sent)))

"""The client for code that waits: one call at a time in each thread, from any number of threads."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from types import TracebackType
from typing import Any, Self, Unpack

import grpc

from vidtomusictags.client.calls import Conversation, failure_of, open_channel
from vidtomusictags.client.result import TaggedVideo
from vidtomusictags.client.tagging import (
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
from vidtomusictags.rpc.credentials import Credentials


class Client:
    """Tags videos through a gateway. A context manager; `close` does the same.

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
        self._channel = open_channel(target, credentials)
        self._stub = TaggingServiceStub(self._channel)

    def tag(
        self,
        video: Video,
        *,
        request_id: str = "",
        on_progress: OnProgress | None = None,
        on_text: OnText | None = None,
        **options: Unpack[TagOptions],
    ) -> TaggedVideo:
        """The tags of a video, and how they came about. `TagOptions` lists what can be asked for.

        video: a URI (with `://`) that the gateway opens itself, or a path or binary file, which is uploaded.
        request_id: finds the call in the logs of all services; left out, the gateway makes one.
        on_progress, on_text: called in this thread as the work goes on, with a Progress and with pieces of the summary;
        the text begins anew with a piece whose `restarts` is true, where a replica was lost in the middle of it.
        Raises Failure, whose class, code and reason say what went wrong, and OSError for a file that cannot be read.
        """
        wanted = options_message(options, text_deltas=on_text is not None)
        listener = Listener(on_progress, on_text)
        with opened(video) as source:
            if isinstance(source, str):
                request = pb.TagVideoRequest(request_id=request_id, uri=source, options=wanted)
                call = self._stub.TagVideo(request, timeout=self._timeout_seconds)
                self._listen(call, listener)
            else:
                config = pb.UploadConfig(request_id=request_id, size_bytes=source.size_bytes, options=wanted)
                self._upload(source, config, listener)
        return listener.result()

    def close(self) -> None:
        """Ends every call and lets the connection go."""
        self._channel.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _upload(self, upload: Upload, config: pb.UploadConfig, listener: Listener) -> None:
        def rest(accepted: pb.TagAccepted) -> Iterator[pb.TagUploadRequest]:
            check_size(upload.size_bytes, accepted)
            sent = 0
            while data := upload.file.read(chunk_bytes(accepted)):
                sent += len(data)
                yield pb.TagUploadRequest(chunk=pb.UploadChunk(data=data))
            yield pb.TagUploadRequest(end_of_input=pb.EndOfUpload(size_bytes=sent))

        conversation = Conversation(pb.TagUploadRequest(config=config), rest)
        call = self._stub.TagUpload(iter(conversation), timeout=self._timeout_seconds)
        try:
            self._listen(call, listener, conversation)
        except Exception:
            if conversation.failure is not None:
                raise conversation.failure from None
            raise
        finally:
            conversation.end()

    def _listen(
        self,
        call: Any,
        listener: Listener,
        conversation: Conversation[pb.TagUploadRequest, pb.TagAccepted] | None = None,
    ) -> None:
        responses: Iterable[pb.TagVideoResponse | pb.TagUploadResponse] = call
        try:
            for response in responses:
                if conversation is not None and response.event.WhichOneof("event") == "accepted":
                    conversation.accepted(response.event.accepted)
                listener.hear(response.event)
        except grpc.RpcError as error:
            raise failure_of(
                error, service="gateway", target=self._target, timeout_seconds=self._timeout_seconds
            ) from None
        finally:
            call.cancel()

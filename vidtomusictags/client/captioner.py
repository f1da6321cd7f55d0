"""The client of a captioner: frames in, a summary out, for code that waits."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from types import TracebackType
from typing import Literal, Self

import grpc

from vidtomusictags.captioner.v1 import captioner_pb2 as pb
from vidtomusictags.captioner.v1.captioner_pb2_grpc import CaptionerServiceStub
from vidtomusictags.client.calls import Conversation, failure_of, open_channel
from vidtomusictags.client.caption import Caption, to_caption
from vidtomusictags.client.tagging import OnText, TextPiece, prompt_message
from vidtomusictags.media.v1 import media_pb2
from vidtomusictags.rpc.credentials import Credentials
from vidtomusictags.rpc.durations import to_duration
from vidtomusictags.rpc.failures import UpstreamBroken
from vidtomusictags.rpc.status import from_status

_MAX_BATCH_FRAMES = 64
_MAX_BATCH_BYTES = 3 * 1024 * 1024 + 512 * 1024
"""Below gRPC's limit of 4 MiB for a message, with room for what surrounds the pictures; the largest frame has 3 MiB."""


@dataclass(frozen=True)
class Still:
    """One still of a video. data: a whole JPEG or PNG file, or height * width * 3 bytes of RGB, row by row.

    index: place in display order, rising. pts_seconds: from the first presented frame, never falling.
    """

    index: int
    pts_seconds: float
    data: bytes


class CaptionerClient:
    """Describes clips through a captioner. A context manager; `close` does the same.

    target: the captioner's address. timeout_seconds: longest that one call may take.
    credentials: what the captioner is shown and known by; left out, plaintext and nothing. Raises OSError or
    CredentialsUnusable for files that cannot be used, and where a token would be shown to the network.
    """

    def __init__(
        self,
        target: str = "127.0.0.1:50051",
        *,
        timeout_seconds: float = 300.0,
        credentials: Credentials | None = None,
    ) -> None:
        self._target = target
        self._timeout_seconds = timeout_seconds
        self._channel = open_channel(target, credentials)
        self._stub = CaptionerServiceStub(self._channel)

    def model(self) -> pb.GetModelResponse:
        """What is served, at which size frames are wanted, and the limits. Raises Failure."""
        try:
            return self._stub.GetModel(pb.GetModelRequest(), timeout=self._timeout_seconds)
        except grpc.RpcError as error:
            raise self._failure(error) from None

    def caption(
        self,
        frames: Sequence[Still],
        *,
        encoding: Literal["JPEG", "PNG", "RGB24"] = "JPEG",
        size: tuple[int, int] | None = None,
        prompt: str | None = None,
        prompt_text: str | None = None,
        request_id: str = "",
        on_text: OnText | None = None,
    ) -> Caption:
        """One summary of all the frames.

        size: (width, height) in pixels; needed for RGB24. prompt: name of a template; prompt_text: own words instead.
        on_text: called in this thread with the pieces of the text as they are made.
        Raises Failure.
        """
        config = pb.CaptionConfig(
            request_id=request_id,
            encoding=media_pb2.FrameEncoding.Value(f"FRAME_ENCODING_{encoding}"),
            frame_size=media_pb2.FrameSize(width=size[0], height=size[1]) if size else None,
            prompt=prompt_message(prompt, prompt_text),
            text_deltas=on_text is not None,
        )
        conversation = Conversation[pb.CaptionRequest, pb.CaptionAccepted](
            pb.CaptionRequest(config=config), lambda _: _frame_messages(frames)
        )
        call = self._stub.Caption(iter(conversation), timeout=self._timeout_seconds)
        summary: pb.Summary | None = None
        try:
            for response in call:
                match response.WhichOneof("event"):
                    case "accepted":
                        conversation.accepted(response.accepted)
                    case "text_delta" if on_text:
                        on_text(TextPiece(response.text_delta.text))
                    case "summary":
                        summary = response.summary
                    case "error":
                        raise from_status(response.error)
        except grpc.RpcError as error:
            raise self._failure(error) from None
        finally:
            conversation.end()
            call.cancel()
        if summary is None:
            raise UpstreamBroken("The captioner ended the call without a summary; try again.")
        return to_caption(summary)

    def close(self) -> None:
        """Ends every call and lets the connection go."""
        self._channel.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _failure(self, error: grpc.RpcError) -> Exception:
        return failure_of(error, service="captioner", target=self._target, timeout_seconds=self._timeout_seconds)


def _frame_messages(frames: Sequence[Still]) -> Iterator[pb.CaptionRequest]:
    """The frames, several to a message as far as they fit, and the counted end."""
    batch: list[media_pb2.Frame] = []
    batch_bytes = 0
    for still in frames:
        if batch and (len(batch) == _MAX_BATCH_FRAMES or batch_bytes + len(still.data) > _MAX_BATCH_BYTES):
            yield pb.CaptionRequest(frames=pb.FrameBatch(frames=batch))
            batch, batch_bytes = [], 0
        batch.append(media_pb2.Frame(index=still.index, pts=to_duration(still.pts_seconds), data=still.data))
        batch_bytes += len(still.data)
    if batch:
        yield pb.CaptionRequest(frames=pb.FrameBatch(frames=batch))
    yield pb.CaptionRequest(end_of_input=pb.EndOfInput(frame_count=len(frames)))

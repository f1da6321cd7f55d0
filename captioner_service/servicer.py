"""Serves the captioner's contract: translates, asks the captioner, translates."""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterator, Iterator
from contextlib import aclosing
from typing import Any

from google.rpc import status_pb2

from captioner_service.captioner import Captioner, TextPiece
from captioner_service.frames import EncodedFrame
from captioner_service.prompts import PromptStock
from captioner_service.settings import CaptionerSettings
from captioner_service.translation import (
    delta_message,
    max_frame_bytes,
    model_message,
    summary_message,
    to_frames,
    to_job,
)
from vidtomusictags.captioner.v1 import captioner_pb2 as pb
from vidtomusictags.captioner.v1 import captioner_pb2_grpc
from vidtomusictags.rpc.conversation import Requests, telling_failures
from vidtomusictags.rpc.failures import InputCountMismatch, InvalidRequest
from vidtomusictags.rpc.logs import take_request_id

MAX_BATCH_FRAMES = 64
SERVICE = pb.DESCRIPTOR.services_by_name["CaptionerService"]
PERMISSIONS = {"Caption": "caption", "CaptionClip": "caption", "GetModel": "model"}
"""What a caller must be allowed to call each method."""


class CaptionerServicer(captioner_pb2_grpc.CaptionerServiceServicer):
    """Frames in, summaries out."""

    def __init__(self, captioner: Captioner, prompts: PromptStock, settings: CaptionerSettings) -> None:
        self._captioner = captioner
        self._prompts = prompts
        self._settings = settings

    def Caption(self, request_iterator: AsyncIterator[pb.CaptionRequest], context: Any) -> Any:
        """See the contract."""
        requests = Requests(request_iterator)
        events = self._conversation(requests)
        return telling_failures(events, error_event=_error, domain=SERVICE.full_name, requests=requests)

    async def CaptionClip(self, request: pb.CaptionClipRequest, context: Any) -> pb.CaptionClipResponse:
        """See the contract."""
        request_id = take_request_id(request.config.request_id)
        job = to_job(request.config, self._prompts, self._captioner.card)
        if job.window or job.text_deltas:
            field = "config.window" if job.window else "config.text_deltas"
            raise InvalidRequest("CaptionClip has neither window nor text_deltas; use Caption.", field=field)
        if request.validate_only:
            return pb.CaptionClipResponse(request_id=request_id)
        summary = await self._captioner.describe(list(to_frames(request.frames)), job)
        return pb.CaptionClipResponse(request_id=request_id, summary=summary_message(summary, self._captioner.card))

    async def GetModel(self, request: pb.GetModelRequest, context: Any) -> pb.GetModelResponse:
        """See the contract."""
        return model_message(self._captioner.card, self._prompts)

    async def _conversation(self, requests: Requests[pb.CaptionRequest]) -> AsyncGenerator[pb.CaptionResponse, None]:
        config = (await requests.config(within_seconds=self._settings.first_message_seconds)).config
        request_id = take_request_id(config.request_id)
        card = self._captioner.card
        job = to_job(config, self._prompts, card)
        accepted = pb.CaptionAccepted(
            request_id=request_id, model=card.model, max_frames=card.max_frames, max_frame_bytes=max_frame_bytes(job)
        )
        yield pb.CaptionResponse(sequence=1, accepted=accepted)
        sequence, summaries = 2, 0
        arriving = _Arriving(requests, idle_seconds=self._settings.idle_seconds)
        async with aclosing(self._captioner.describe_stream(arriving.batches(), job)) as events:
            async for event in events:
                if isinstance(event, TextPiece):
                    yield pb.CaptionResponse(sequence=sequence, text_delta=delta_message(event))
                else:
                    yield pb.CaptionResponse(sequence=sequence, summary=summary_message(event, card))
                    summaries += 1
                sequence += 1
        requests.check_end()
        completed = pb.CaptionCompleted(frame_count=arriving.count, summaries=summaries)
        yield pb.CaptionResponse(sequence=sequence, completed=completed)


class _Arriving:
    """The frames of a stream, counted, until an `end_of_input` that agrees with the count."""

    def __init__(self, requests: Requests[pb.CaptionRequest], *, idle_seconds: float) -> None:
        self._requests = requests
        self._idle_seconds = idle_seconds
        self.count = 0

    async def batches(self) -> AsyncIterator[Iterator[EncodedFrame]]:
        """Raises InputCountMismatch, InvalidRequest for an empty batch, and what `Requests.input` raises."""
        async for message in self._requests.input(idle_seconds=self._idle_seconds):
            if message.WhichOneof("request") == "end_of_input":
                if message.end_of_input.frame_count != self.count:
                    raise InputCountMismatch(
                        f"end_of_input counts {message.end_of_input.frame_count} frames, {self.count} arrived; "
                        "send the clip again."
                    )
                return
            if not 1 <= len(message.frames.frames) <= MAX_BATCH_FRAMES:
                raise InvalidRequest(f"A message must hold 1 to {MAX_BATCH_FRAMES} frames.", field="frames.frames")
            self.count += len(message.frames.frames)
            yield to_frames(message.frames.frames)


def _error(sequence: int, status: status_pb2.Status) -> pb.CaptionResponse:
    return pb.CaptionResponse(sequence=sequence, error=status)

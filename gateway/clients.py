"""Calls the captioner and the classifier by their contracts."""

from __future__ import annotations

import asyncio
import math
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from typing import cast

import grpc

from gateway.attempts import Attempts, ConnectionLost, NotInTime
from gateway.order import Description, ModelFacts, Order, Tags
from gateway.shown_text import ShownText
from gateway.upstream import hearing, translating
from gateway.video.plan import Encoding
from gateway.video.sampled import SampledClip
from vidtomusictags.captioner.v1 import captioner_pb2, captioner_pb2_grpc
from vidtomusictags.classifier.v1 import classifier_pb2, classifier_pb2_grpc
from vidtomusictags.media.v1 import media_pb2
from vidtomusictags.rpc.channels import stream_channel
from vidtomusictags.rpc.deadlines import downstream_seconds
from vidtomusictags.rpc.durations import to_duration
from vidtomusictags.rpc.endings import Ending
from vidtomusictags.rpc.failures import DeadlineExceeded, UpstreamBroken
from vidtomusictags.rpc.outgoing import outgoing_metadata
from vidtomusictags.rpc.proof import NOTHING, Proof
from vidtomusictags.rpc.status import from_status
from vidtomusictags.rpc.telemetry import SILENT, Telemetry

CAPTIONER = captioner_pb2.DESCRIPTOR.services_by_name["CaptionerService"].full_name
CLASSIFIER = classifier_pb2.DESCRIPTOR.services_by_name["ClassifierService"].full_name

_TO_ENCODING = {
    media_pb2.FRAME_ENCODING_JPEG: Encoding.JPEG,
    media_pb2.FRAME_ENCODING_RGB24: Encoding.RGB24,
    media_pb2.FRAME_ENCODING_PNG: Encoding.PNG,
}
_ENCODINGS = {encoding: message for message, encoding in _TO_ENCODING.items()}
_MODEL_SECONDS = 10.0
"""How long the answer of GetModel is taken for true."""
_BATCH_BYTES = 1024 * 1024
"""Frames that travel together; one that is larger travels alone."""

_CaptionCall = grpc.aio.StreamStreamCall[captioner_pb2.CaptionRequest, captioner_pb2.CaptionResponse]


@dataclass(frozen=True)
class Upstream:
    """Where the replicas of a service are, and how they are called.

    target: gRPC's, such as dns:///captioner:50051. longest_seconds: of the work itself, the queue included.
    answer_seconds: how long a replica may take for all that is no work, such as taking a call on. attempts: tries of
    one call. telemetry: hears of every try. proof: what the replicas are shown.
    """

    target: str
    longest_seconds: float
    answer_seconds: float = 5.0
    keepalive_seconds: float = 5.0
    attempts: int = 6
    telemetry: Telemetry = SILENT
    proof: Proof = NOTHING

    def open(self, service: str) -> grpc.aio.Channel:
        """A channel to the replicas of `service`, its full name."""
        return stream_channel(self.target, service, self.proof, keepalive_seconds=self.keepalive_seconds)

    def tries(self, name: str) -> Attempts:
        """The tries of calls to it."""
        return Attempts(
            name,
            most=self.attempts,
            remaining_seconds=partial(downstream_seconds, math.inf),
            telemetry=self.telemetry,
        )


class CaptionerClient:
    """The captioners behind one target."""

    def __init__(self, upstream: Upstream) -> None:
        self._upstream = upstream
        self._channel = upstream.open(CAPTIONER)
        self._stub = captioner_pb2_grpc.CaptionerServiceStub(self._channel)
        self._attempts = upstream.tries("captioner")
        self._facts: ModelFacts | None = None
        self._facts_until = 0.0

    async def close(self) -> None:
        """Closes the channel; running calls are cancelled."""
        await self._channel.close()

    async def model(self) -> ModelFacts:
        """What is served, at most ten seconds old. Raises a Failure for the gateway's caller."""
        if self._facts is None or time.monotonic() > self._facts_until:
            with translating("captioner"):
                reply, _ = await self._attempts.run(f"{CAPTIONER}/GetModel", self._ask_model)
            self._facts = _facts(reply)
            self._facts_until = time.monotonic() + _MODEL_SECONDS
        return self._facts

    async def check(self, order: Order) -> None:
        """Raises what `caption` would raise for the order's prompt and options, before any costly work is done."""
        asked = cast("captioner_pb2.CaptionConfig", order.caption)
        if not asked.ByteSize():
            return  # all is left to the captioner
        config = captioner_pb2.CaptionConfig(request_id=order.request_id, encoding=media_pb2.FRAME_ENCODING_JPEG)
        config.MergeFrom(asked)
        request = captioner_pb2.CaptionClipRequest(config=config, validate_only=True)
        with translating("captioner"):
            await self._attempts.run(f"{CAPTIONER}/CaptionClip", partial(self._validate, request))

    async def caption(self, clip: SampledClip, order: Order, on_text: Callable[[object], None]) -> Description:
        """One summary of all frames, by as many replicas as it takes. Raises as `model` does.

        on_text: given a TextDelta for each piece of the text. What a lost replica has told already is not told twice.
        """
        config = captioner_pb2.CaptionConfig(
            request_id=order.request_id,
            encoding=_ENCODINGS[clip.encoding],
            frame_size=media_pb2.FrameSize(width=clip.width, height=clip.height),
            text_deltas=order.text_deltas,
        )
        config.MergeFrom(cast("captioner_pb2.CaptionConfig", order.caption))
        shown = ShownText(lambda piece, anew: on_text(captioner_pb2.TextDelta(text=piece, restarts=anew)))
        with translating("captioner"):
            summary, attempts = await self._attempts.run(
                f"{CAPTIONER}/Caption", partial(self._caption_once, clip, config, shown)
            )
        return Description(summary, attempts)

    async def _ask_model(self) -> captioner_pb2.GetModelResponse:
        timeout, lost_after = _patience(self._upstream.answer_seconds)
        with hearing(within_seconds=lost_after):
            return await self._stub.GetModel(
                captioner_pb2.GetModelRequest(), timeout=timeout, metadata=outgoing_metadata()
            )

    async def _validate(self, request: captioner_pb2.CaptionClipRequest) -> None:
        timeout, lost_after = _patience(self._upstream.answer_seconds)
        with hearing(within_seconds=lost_after):
            await self._stub.CaptionClip(request, timeout=timeout, metadata=outgoing_metadata())

    async def _caption_once(
        self, clip: SampledClip, config: captioner_pb2.CaptionConfig, shown: ShownText
    ) -> captioner_pb2.Summary:
        shown.begin()
        summary: captioner_pb2.Summary | None = None
        call = self._stub.Caption(
            timeout=downstream_seconds(self._upstream.longest_seconds), metadata=outgoing_metadata()
        )
        ending = Ending(call)
        try:
            with hearing(ending):
                await self._begin(call, config)
                for batch in _batches(clip):
                    await call.write(captioner_pb2.CaptionRequest(frames=batch))
                end = captioner_pb2.EndOfInput(frame_count=len(clip.frames))
                await call.write(captioner_pb2.CaptionRequest(end_of_input=end))
                await call.done_writing()
                while (reply := await self._read(call)).WhichOneof("event") != "completed":
                    if reply.HasField("text_delta"):
                        shown.add(reply.text_delta.text)
                    elif reply.HasField("summary"):
                        summary = reply.summary
                await _hear_out(call)
        except ConnectionLost:
            if summary is None:  # with it, the replica has done all that was wanted of it
                raise
        finally:
            call.cancel()  # a call that is dropped is never collected (grpc/grpc#43462)
        if summary is None:
            raise UpstreamBroken("The captioner completed without a summary; tell its operator.")
        if config.text_deltas:
            shown.end()
        return summary

    async def _begin(self, call: _CaptionCall, config: captioner_pb2.CaptionConfig) -> None:
        """Returns once the replica has accepted; raises the reason why not, or NotInTime where it says nothing."""
        timeout, lost_after = _patience(self._upstream.answer_seconds)
        try:
            async with asyncio.timeout(timeout):
                await call.write(captioner_pb2.CaptionRequest(config=config))
                await self._read(call)
        except TimeoutError:
            kind = DeadlineExceeded if lost_after is None else NotInTime
            raise kind(f"no answer within {timeout:.1f} s") from None

    async def _read(self, call: _CaptionCall) -> captioner_pb2.CaptionResponse:
        reply = await call.read()
        if not isinstance(reply, captioner_pb2.CaptionResponse):  # EOF: the stream ended with OK
            raise UpstreamBroken("The captioner ended its answer early; tell its operator.")
        if reply.HasField("error"):
            with suppress(grpc.RpcError):  # the same failure again, as the status
                await call.done_writing()
                await _hear_out(call)
            raise from_status(reply.error)
        return reply


class ClassifierClient:
    """The classifiers behind one target."""

    def __init__(self, upstream: Upstream) -> None:
        self._upstream = upstream
        self._channel = upstream.open(CLASSIFIER)
        self._stub = classifier_pb2_grpc.ClassifierServiceStub(self._channel)
        self._attempts = upstream.tries("classifier")

    async def close(self) -> None:
        """Closes the channel; running calls are cancelled."""
        await self._channel.close()

    async def check(self, order: Order) -> None:
        """Raises what `classify` would raise for the order's taxonomy and options, before any costly work is done."""
        request = classifier_pb2.ClassifyRequest(validate_only=True)
        await self._call(order, request, lost_after_seconds=self._upstream.answer_seconds)

    async def classify(self, description: Description, order: Order) -> Tags:
        """The tags of a description. Raises a Failure for the gateway's caller."""
        summary = cast("captioner_pb2.Summary", description.message)
        request = classifier_pb2.ClassifyRequest(summary=summary.text, statements=summary.statements)
        reply, attempts = await self._call(order, request)
        return Tags(reply.classification, attempts)

    async def _call(
        self, order: Order, request: classifier_pb2.ClassifyRequest, *, lost_after_seconds: float | None = None
    ) -> tuple[classifier_pb2.ClassifyResponse, int]:
        request.MergeFrom(cast("classifier_pb2.ClassifyRequest", order.classify))
        request.request_id = order.request_id

        async def once() -> classifier_pb2.ClassifyResponse:
            timeout, lost_after = _patience(lost_after_seconds or self._upstream.longest_seconds)
            with hearing(within_seconds=lost_after if lost_after_seconds else None):
                return await self._stub.Classify(request, timeout=timeout, metadata=outgoing_metadata())

        with translating("classifier"):
            return await self._attempts.run(f"{CLASSIFIER}/Classify", once)


def _patience(seconds: float) -> tuple[float, float | None]:
    """The deadline of a try that may take so long, and after how long without an answer its replica counts as lost.

    None for the latter where the caller's own time ends first: that says nothing of the replica.
    """
    timeout = downstream_seconds(seconds)
    return timeout, seconds if timeout >= seconds else None


async def _hear_out(call: _CaptionCall) -> None:
    """Waits for the status, so that the captioner's log does not show a call as cancelled that had ended."""
    while isinstance(await call.read(), captioner_pb2.CaptionResponse):
        pass


def _facts(reply: captioner_pb2.GetModelResponse) -> ModelFacts:
    encodings = [_TO_ENCODING[encoding] for encoding in reply.encodings if encoding in _TO_ENCODING]
    if not encodings or reply.max_frames < 1:
        raise UpstreamBroken("The captioner does not say which frames it takes; tell its operator.")
    return ModelFacts(
        model=reply.model,
        encodings=encodings,
        frame_short_side_pixels=reply.frame_short_side,
        default_frames=reply.default_frames or reply.max_frames,
        max_frames=reply.max_frames,
    )


def _batches(clip: SampledClip) -> Iterator[captioner_pb2.FrameBatch]:
    batch, size = captioner_pb2.FrameBatch(), 0
    for sampled, data in zip(clip.manifest.frames, clip.frames, strict=True):
        if batch.frames and size + len(data) > _BATCH_BYTES:
            yield batch
            batch, size = captioner_pb2.FrameBatch(), 0
        batch.frames.add(index=sampled.index, pts=to_duration(sampled.time_seconds), data=data)
        size += len(data)
    yield batch

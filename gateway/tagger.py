"""The gateway's work, apart from any wire: sample, have described, have tagged, and tell how far it is."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Protocol, TypeVar

from gateway.early import EarlySampling, sampling_early
from gateway.events import Event, Progressed, Stage, Summarised, Tagged, TextPiece, Timings, percent_of
from gateway.fields import naming_fields_of_the_request
from gateway.order import Description, ModelFacts, Order, Tags
from gateway.pressure import Pressure
from gateway.spool import Upload
from gateway.video.plan import MAX_FRAMES, SamplingPlan
from gateway.video.sampled import SampledClip
from gateway.video.samplers import SAMPLERS
from gateway.video.supplying import ArrivingVideo
from vidtomusictags.rpc import failures
from vidtomusictags.rpc.tracing import NO_TRACER, Attributes, Tracer

FirstT = TypeVar("FirstT")

_SMOOTHING = 0.2
"""Weight of the latest call in a running mean."""


class Sandbox(Protocol):
    """Where video is opened and decoded."""

    @property
    def usual_seconds(self) -> float: ...

    def check_room(self, within_seconds: float) -> None: ...

    async def sample(
        self,
        video: Path | ArrivingVideo,
        plan: SamplingPlan,
        *,
        timeout_seconds: float | None = None,
        on_progress: Callable[[int, int], None] | None = None,
    ) -> SampledClip: ...

    async def sample_meanwhile(self, video: ArrivingVideo, plan: SamplingPlan) -> SampledClip | None: ...


class Captioner(Protocol):
    """Describes frames."""

    async def model(self) -> ModelFacts: ...

    async def check(self, order: Order) -> None: ...

    async def caption(self, clip: SampledClip, order: Order, on_text: Callable[[object], None]) -> Description: ...


class Classifier(Protocol):
    """Tags descriptions."""

    async def check(self, order: Order) -> None: ...

    async def classify(self, description: Description, order: Order) -> Tags: ...


@dataclass(frozen=True)
class Prepared:
    """An order that was found good: what the captioner wants, and the plan that follows from both."""

    order: Order
    plan: SamplingPlan

    @property
    def reads_all(self) -> bool:
        """Whether sampling looks at every packet of a video."""
        return SAMPLERS[self.plan.sampler].reads_packets


class Tagger:
    """Composes the stages. remaining_seconds: how long the present call still has."""

    def __init__(
        self,
        sandbox: Sandbox,
        captioner: Captioner,
        classifier: Classifier,
        *,
        decode_seconds: float,
        remaining_seconds: Callable[[], float],
        tracer: Tracer = NO_TRACER,
    ) -> None:
        self._sandbox = sandbox
        self._captioner = captioner
        self._classifier = classifier
        self._decode_seconds = decode_seconds
        self._remaining_seconds = remaining_seconds
        self._tracer = tracer
        self._pressure = Pressure()
        self._seconds_after_sampling = 0.0

    def check_room(self) -> None:
        """Raises QueueFull or WouldMissDeadline where a call that came now would be refused or too late further on.

        Asked before anything of it is read: under overload a refusal must cost next to nothing.
        """
        self._pressure.check(self._remaining_seconds() - self._sandbox.usual_seconds)
        self._sandbox.check_room(self._remaining_seconds() - self._seconds_after_sampling)

    async def prepare(self, order: Order) -> Prepared:
        """Checks everything that can be checked before there is a video, so that no upload and no GPU time is wasted.

        Raises UnknownSampler, TooManyFrames, InvalidRequest, and what captioner and classifier say of their parts.
        """
        if order.sampler not in SAMPLERS:
            raise failures.UnknownSampler(
                f"There is no sampler of that name; there is: {', '.join(sorted(SAMPLERS))}.",
                field="options.sampling.sampler",
            )
        if order.frames > MAX_FRAMES:
            raise failures.InvalidRequest(
                f"frames must be 1 to {MAX_FRAMES}, or 0 for what the captioner describes best.",
                field="options.sampling.frames",
            )
        facts = await _together(self._captioner.model(), self._captioner.check(order), self._classifier.check(order))
        if order.frames > facts.max_frames:
            raise failures.TooManyFrames(
                f"The captioner takes at most {facts.max_frames} frames; ask for fewer.",
                field="options.sampling.frames",
            )
        plan = SamplingPlan(
            sampler=order.sampler,
            frames=order.frames or facts.default_frames,
            start_seconds=order.start_seconds,
            end_seconds=order.end_seconds,
            short_side_pixels=facts.frame_short_side_pixels or None,
            encoding=facts.encodings[0],
        )
        with naming_fields_of_the_request():
            plan.check()
        return Prepared(order, plan)

    def sampling_early(
        self, upload: Upload, prepared: Prepared, *, size_bytes: int | None
    ) -> AbstractAsyncContextManager[EarlySampling]:
        """Samples an upload while it is received in the block, where that can help; see `early`."""
        return sampling_early(self._sandbox, upload, prepared.plan, size_bytes=size_bytes)

    async def tag(
        self,
        video: Path | ArrivingVideo,
        prepared: Prepared,
        *,
        started: float,
        receiving_seconds: float | None = None,
        early: EarlySampling | None = None,
    ) -> AsyncGenerator[Event, None]:
        """What happens to the video, `Tagged` last.

        started: when the call was accepted, by time.monotonic. early: what may have been sampled of it already.
        Raises the failures of all stages.
        """
        events: asyncio.Queue[Event | None] = asyncio.Queue()
        work = asyncio.create_task(self._run(video, prepared, events.put_nowait, started, receiving_seconds, early))
        work.add_done_callback(lambda _: events.put_nowait(None))
        try:
            while (event := await events.get()) is not None:
                yield event
            yield await work
        finally:
            work.cancel()
            await asyncio.gather(work, return_exceptions=True)

    def _sampling_seconds(self, video: Path | ArrivingVideo) -> float:
        """Bytes that are still to come have time limits of their own."""
        seconds = self._remaining_seconds()
        return min(self._decode_seconds, seconds) if isinstance(video, Path) else seconds

    async def _run(
        self,
        video: Path | ArrivingVideo,
        prepared: Prepared,
        report: Callable[[Event], None],
        started: float,
        receiving_seconds: float | None,
        early: EarlySampling | None,
    ) -> Tagged:
        order = prepared.order
        marks = [time.monotonic()]

        with self._pressure.inside():
            report(_progress(Stage.SAMPLING, 0, prepared.plan.frames))
            with naming_fields_of_the_request(), self._tracer.span("sample") as span:
                clip = await early.clip() if early else None
                if clip is None:
                    clip = await self._sandbox.sample(
                        video,
                        prepared.plan,
                        timeout_seconds=self._sampling_seconds(video),
                        on_progress=lambda done, total: report(_progress(Stage.SAMPLING, done, total)),
                    )
                span.set(_attributes(clip))
            marks.append(time.monotonic())

            report(_progress(Stage.CAPTIONING, 0, 1))
            with self._tracer.span("caption"), self._pressure.heeded(self._remaining_seconds()):
                description = await self._captioner.caption(clip, order, lambda piece: report(TextPiece(piece)))
        report(Summarised(description))
        marks.append(time.monotonic())

        report(_progress(Stage.CLASSIFYING, 0, 1))
        with self._tracer.span("classify"), self._pressure.heeded():
            tags = await self._classifier.classify(description, order)
        marks.append(time.monotonic())

        sampling, captioning, classifying = (later - earlier for earlier, later in pairwise(marks))
        self._seconds_after_sampling += _SMOOTHING * (captioning + classifying - self._seconds_after_sampling)
        timings = Timings(receiving_seconds, sampling, captioning, classifying, marks[-1] - started)
        return Tagged(order.request_id, description, tags, clip, timings)


def _attributes(clip: SampledClip) -> Attributes:
    """What the span of sampling says: how it was done, and nothing of what is to be seen."""
    manifest = clip.manifest
    return {
        "vidtags.sampler": manifest.sampler,
        "vidtags.frames": len(manifest.frames),
        "vidtags.frames_wanted": manifest.requested_frames,
        "vidtags.encoding": clip.encoding.value,
        "vidtags.warnings": len(manifest.warnings),
    }


def _progress(stage: Stage, done: int, total: int) -> Progressed:
    return Progressed(stage, done, total, percent_of(stage, done / total if total else 0.0))


async def _together(first: Awaitable[FirstT], *checks: Awaitable[None]) -> FirstT:
    """The first result, once all checks have passed; where one fails the others are cancelled, and it is raised."""
    try:
        async with asyncio.TaskGroup() as group:
            one = group.create_task(_awaited(first))
            for check in checks:
                group.create_task(_awaited(check))
    except* failures.Failure as failed:
        raise failed.exceptions[0] from None
    return one.result()


async def _awaited(awaitable: Awaitable[FirstT]) -> FirstT:
    return await awaitable

"""Describes clips and streams of windows: gathers frames, hands clips to a describer, keeps the windows in order."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Iterable, Sequence
from dataclasses import dataclass

from captioner_service import metrics
from captioner_service.clip import Clip, GenerationOptions, Prompt
from captioner_service.decoding import Decoding
from captioner_service.describer import Described, Describer
from captioner_service.engines.engine import ModelCard
from captioner_service.frames import EncodedFrame, FrameFormat, FrameOrder, Gathering
from vidtomusictags.rpc import failures
from vidtomusictags.rpc.telemetry import SILENT, Telemetry

ROOM_FRAMES = 8
"""For a clip of unknown length at first; it grows."""
MAX_WINDOWS_IN_FLIGHT = 4
"""Windows of one stream that are held or described at once; reading stops until one of them is done."""


@dataclass(frozen=True)
class Job:
    """What is to be done with the frames of a call. window: frames for each summary; 0: all frames are one clip."""

    format: FrameFormat
    window: int
    prompt: Prompt
    options: GenerationOptions
    text_deltas: bool = False


@dataclass(frozen=True)
class TextPiece:
    """A piece of the text of a window."""

    window: int
    text: str


@dataclass(frozen=True)
class WindowSummary:
    """A finished window. pts in seconds from the first presented frame of the video."""

    window: int
    described: Described
    first_pts_seconds: float
    last_pts_seconds: float
    frame_count: int
    prompt: Prompt
    seed: int


class Captioner:
    """The captioner's work, apart from any wire. `remaining_seconds` tells how long the present call still has."""

    def __init__(
        self,
        describer: Describer,
        decoding: Decoding,
        *,
        remaining_seconds: Callable[[], float],
        telemetry: Telemetry = SILENT,
    ) -> None:
        self._describer = describer
        self._decoding = decoding
        self._remaining_seconds = remaining_seconds
        self._telemetry = telemetry

    @property
    def card(self) -> ModelCard:
        """What is served."""
        return self._describer.card

    def check_room(self) -> None:
        """Raises QueueFull, WouldMissDeadline or WorkerLost where a clip that came now would be refused for that."""
        within_seconds = self._remaining_seconds()
        self._describer.check(within_seconds=within_seconds)
        self._decoding.check(within_seconds=within_seconds)

    async def describe(self, frames: Sequence[EncodedFrame], job: Job) -> WindowSummary:
        """One clip, described. Raises the failures of `FrameOrder`, `Gathering` and `Describer.submit`."""
        self._check_count(len(frames))
        order = FrameOrder(job.format.encoding)
        clip = Gathering(job.format, room=len(frames))
        for frame in frames:
            order.check(frame)
            clip.add(frame)
        return await self._summarise(clip, job, window=0)

    async def describe_stream(
        self, batches: AsyncIterator[Iterable[EncodedFrame]], job: Job
    ) -> AsyncGenerator[TextPiece | WindowSummary, None]:
        """Text and summaries, window by window, while frames still come, several at a time. Raises what `describe`
        raises."""
        events: asyncio.Queue[TextPiece | WindowSummary | None] = asyncio.Queue()
        windows = asyncio.create_task(self._run_windows(batches, job, events))
        windows.add_done_callback(lambda _: events.put_nowait(None))
        try:
            while (event := await events.get()) is not None:
                yield event
            await windows  # raises what went wrong
        finally:
            windows.cancel()
            await asyncio.gather(windows, return_exceptions=True)

    async def _run_windows(
        self,
        batches: AsyncIterator[Iterable[EncodedFrame]],
        job: Job,
        events: asyncio.Queue[TextPiece | WindowSummary | None],
    ) -> None:
        order = FrameOrder(job.format.encoding)
        free = asyncio.Semaphore(MAX_WINDOWS_IN_FLIGHT)
        gathered = Gathering(job.format, room=job.window or ROOM_FRAMES)
        count = 0
        previous: asyncio.Task[None] | None = None

        async def summarise(window: int, clip: Gathering, before: asyncio.Task[None] | None) -> None:
            try:
                summary = await self._summarise(clip, job, window, events.put_nowait)
                if before is not None:
                    await before
                events.put_nowait(summary)
            finally:
                free.release()

        try:
            async with asyncio.TaskGroup() as group:
                async for batch in batches:
                    for frame in batch:
                        order.check(frame)
                        self._check_count(len(gathered) + 1)
                        gathered.add(frame)
                        if len(gathered) == job.window:
                            await free.acquire()
                            previous = group.create_task(summarise(count, gathered, previous))
                            gathered, count = Gathering(job.format, room=job.window), count + 1
                if len(gathered) or count == 0:
                    self._check_count(len(gathered))
                    await free.acquire()
                    group.create_task(summarise(count, gathered, previous))
        except BaseExceptionGroup as group_error:
            raise _first(group_error) from None

    async def _summarise(
        self,
        gathered: Gathering,
        job: Job,
        window: int,
        tell: Callable[[TextPiece], None] | None = None,
    ) -> WindowSummary:
        seconds, pictures = gathered.pts_seconds, gathered.pictures
        if pictures is None:
            self._describer.check(within_seconds=self._remaining_seconds())  # before the work, not after it
            pictures = await self._decoding.decode(
                gathered.encoded, job.format, within_seconds=self._remaining_seconds()
            )
            gathered.encoded.clear()  # a window that waits for its turn is held once, not twice
        clip = Clip(pictures, seconds, job.prompt, job.options)
        card = self.card
        with self._telemetry.tracer.span("describe") as span:
            described = await self._describer.submit(
                clip,
                within_seconds=self._remaining_seconds(),
                on_text=(lambda text: tell(TextPiece(window, text))) if tell and job.text_deltas else None,
            )
            span.set(metrics.attributes(described, card, window=window, frames=len(seconds)))
        metrics.count(self._telemetry.meter, described, card.engine)
        return WindowSummary(
            window,
            described,
            first_pts_seconds=seconds[0],
            last_pts_seconds=seconds[-1],
            frame_count=len(seconds),
            prompt=job.prompt,
            seed=job.options.seed,
        )

    def _check_count(self, count: int) -> None:
        if count == 0:
            raise failures.NoFrames("There are no frames to describe; send at least one.", field="frames")
        if count > self.card.max_frames:
            raise failures.TooManyFrames(
                f"A clip may have at most {self.card.max_frames} frames; sample fewer, or set `window`.", field="frames"
            )


def _first(group: BaseExceptionGroup[BaseException]) -> BaseException:
    """The error that came first; the rest of a group only followed from it."""
    error: BaseException = group
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    return error

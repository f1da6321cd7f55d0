"""Sampling one video from its source to finished pictures and manifest; runs in a worker process."""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction

from gateway.video.collecting import PictureCollector, Progress, Sink
from gateway.video.container import Source
from gateway.video.coverage import measure_coverage
from gateway.video.facts import describe
from gateway.video.findings import Findings
from gateway.video.frame_table import FrameTable, Span, TableKind
from gateway.video.gop import TableMistaken, Tally
from gateway.video.limits import SandboxLimits
from gateway.video.locating import locate_frames, with_confirmed_keys
from gateway.video.manifest import DecodingEffort, Manifest, SampledFrame
from gateway.video.opening import OpenVideo
from gateway.video.plan import SamplingPlan
from gateway.video.reading import FrameReader
from gateway.video.samplers import Pick, Sampler, sampler_named
from vidtomusictags.rpc import failures

# References, pictures that wait for their turn and those being decoded, at the 3 bytes a pixel of 10-bit 4:2:0.
_PICTURES_PER_THREAD = 10


@dataclass(frozen=True)
class Sampled:
    """The outcome beside the pictures themselves, which are in the sink, one per frame of the manifest."""

    manifest: Manifest
    width: int
    height: int


def sample_video(
    source: Source, plan: SamplingPlan, limits: SandboxLimits, sink: Sink, progress: Progress, threads: int = 1
) -> Sampled:
    """Sample the video by the plan with so many threads.

    `progress` is called with (frames done, frames to come), from those threads. Raises InvalidRequest, UnknownSampler,
    VideoUnreadable, VideoHasNoPicture or VideoTooLarge; MemoryError where the process may not take what it needs.
    """
    plan.check()
    sampler = sampler_named(plan.sampler)
    with OpenVideo(source, limits) as video:
        findings = Findings()
        findings.look_at_container(video)
        attempt = _Attempt(video, plan, limits, findings)
        threads = min(threads, _affordable_threads(video, limits))
        kind = TableKind.INDEX
        while True:
            pictures = PictureCollector(plan, limits, sink, progress, tone_maps=not sampler.keeps_code_values)
            try:
                attempt.read(sampler, kind, pictures, threads)
            except TableMistaken:
                kind = _next_way(attempt.table.kind)
                attempt.mistaken = attempt.table.kind
                continue
            if attempt.reader.in_order or not pictures.findings.has("mixed_sizes"):
                return Sampled(attempt.manifest(sampler, pictures), *pictures.size)
            threads = 1  # the first frame in time gives the size, not the first that some thread has finished


class _Attempt:
    """Locating, choosing and reading the frames, by one way of locating after the other until one holds."""

    table: FrameTable
    span: Span
    picks: list[Pick]
    reader: FrameReader

    def __init__(self, video: OpenVideo, plan: SamplingPlan, limits: SandboxLimits, findings: Findings) -> None:
        self._video, self._plan, self._limits, self._findings = video, plan, limits, findings
        self._tally = Tally()
        self.mistaken: TableKind | None = None

    def read(self, sampler: Sampler, cheapest: TableKind, pictures: PictureCollector, threads: int) -> None:
        """Fill `pictures`. Raises TableMistaken where the decoder contradicts the table."""
        video, count = self._video, self._plan.frames
        table = locate_frames(video, self._limits, cheapest=cheapest, with_trace=sampler.reads_packets)
        self.table = table
        self.span = _span(self._plan, table, self._limits, self._findings)
        if sampler.aims_at_keyframes:
            targets = [self.span.middle(number, count) for number in range(count)]
            self.table = with_confirmed_keys(video, table, targets)
        self.reader = FrameReader(video, self.table, self._tally, threads)
        self.picks = sampler.choose(self.table, self.span, count, self.reader.glance)
        pictures.begin(len(self.picks))
        self.reader.read([pick.index for pick in self.picks], pictures.deliver)
        if pictures.geometry is None:
            raise failures.VideoUnreadable("No frame of the video can be decoded; send an intact file.")

    def manifest(self, sampler: Sampler, pictures: PictureCollector) -> Manifest:
        """The account of what was read."""
        video, plan, table, findings = self._video, self._plan, self.table, self._findings
        assert pictures.geometry is not None
        findings.extend(pictures.findings)
        findings.look_at_table(video, table)
        if sampler.reads_packets and table.trace is None:
            findings.add("shots_unknown", "The video does not allow looking for shots; equal parts of it were sampled.")
        if self.mistaken is not None and not (video.damaged_packets or findings.has("truncated")):
            findings.add_mistaken(self.mistaken)
        if video.damaged_packets or self.reader.substitutes or len(pictures.indices) < len(self.picks):
            findings.add_damage()
        if len(pictures.indices) < plan.frames:
            findings.add_shortage(plan.frames, len(pictures.indices))
        return Manifest(
            sampler=plan.sampler,
            requested_frames=plan.frames,
            video=describe(video, table, pictures.geometry, pictures.pixel_format),
            frames=_sampled_frames(table, self.picks, pictures.indices, self.reader.substitutes),
            coverage=measure_coverage(table, self.span, sorted(pictures.indices), plan.frames),
            effort=DecodingEffort(table=table.kind.value, **vars(self._tally)),
            warnings=findings.warnings,
        )


def _affordable_threads(video: OpenVideo, limits: SandboxLimits) -> int:
    """How many threads may decode before their pictures fill half of the memory that a worker may have; at least 1."""
    picture_bytes = 3 * video.decoder.width * video.decoder.height
    return max(1, limits.address_space_bytes // 2 // max(1, _PICTURES_PER_THREAD * picture_bytes))


def _next_way(kind: TableKind) -> TableKind:
    """The next, dearer way of locating frames. Raises VideoUnreadable where there is none left."""
    if kind is TableKind.DECODING:
        raise failures.VideoUnreadable("The video does not decode to the same frames twice; send an intact file.")
    return TableKind.PACKETS if kind is TableKind.INDEX else TableKind.DECODING


def _span(plan: SamplingPlan, table: FrameTable, limits: SandboxLimits, findings: Findings) -> Span:
    time_base = table.time_base
    duration = (table.end - table.start) * time_base
    if duration > limits.max_duration_seconds:
        raise failures.VideoTooLarge(
            f"The video is longer than {limits.max_duration_seconds:g} seconds; send a shorter clip."
        )
    start, end = Fraction(table.start), Fraction(table.end)
    if plan.end_seconds is not None:
        if Fraction(plan.end_seconds) > duration:
            findings.add(
                "range_cut", f"The time range ends after the video, which lasts {float(duration):.3f} seconds."
            )
        end = min(end, table.start + Fraction(plan.end_seconds) / time_base)
    if plan.start_seconds is not None:
        start = table.start + Fraction(plan.start_seconds) / time_base
        if start >= table.end:
            raise failures.InvalidRequest(
                f"The time range starts at {plan.start_seconds:g} seconds, but the video lasts only "
                f"{float(duration):.3f}; start earlier.",
                field="start_seconds",
            )
    return Span(start, end)


def _sampled_frames(
    table: FrameTable, picks: list[Pick], delivered: set[int], substitutes: dict[int, int]
) -> tuple[SampledFrame, ...]:
    time_base = table.time_base
    frames: dict[int, SampledFrame] = {}
    for pick in picks:
        index = substitutes.get(pick.index, pick.index)
        if index not in delivered or index in frames:
            continue
        reason = pick.reason if index == pick.index else f"{pick.reason}; nearest that can be decoded"
        frames[index] = SampledFrame(
            index=index,
            pts=table.stated(index),
            pts_seconds=float(table.stated(index) * time_base),
            time_seconds=float((table.pts[index] - table.start) * time_base),
            target_seconds=float((pick.target - table.start) * time_base),
            reason=reason,
        )
    return tuple(frames[index] for index in sorted(frames))

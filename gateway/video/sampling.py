"""Sampling one video from its source to finished pictures and manifest; runs in a worker process."""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction

from gateway.video.collecting import PictureCollector, Progress, Sink
from gateway.video.coverage import measure_coverage
from gateway.video.facts import describe
from gateway.video.findings import Findings
from gateway.video.frame_table import FrameTable, Span, TableKind
from gateway.video.limits import SandboxLimits
from gateway.video.locating import locate_frames, with_confirmed_keys
from gateway.video.manifest import DecodingEffort, Manifest, SampledFrame
from gateway.video.opening import OpenVideo, Source
from gateway.video.plan import SamplingPlan
from gateway.video.reading import FrameReader, TableMistaken, Tally
from gateway.video.samplers import Pick, sampler_named
from vidtomusictags.rpc import failures


@dataclass(frozen=True)
class Sampled:
    """The outcome beside the pictures themselves, which are in the sink, one per frame of the manifest."""

    manifest: Manifest
    width: int
    height: int


def sample_video(source: Source, plan: SamplingPlan, limits: SandboxLimits, sink: Sink, progress: Progress) -> Sampled:
    """Sample the video by the plan. Raises InvalidRequest, UnknownSampler, VideoUnreadable, VideoHasNoPicture or
    VideoTooLarge; MemoryError where the process may not take what the video needs."""
    plan.check()
    sampler = sampler_named(plan.sampler)
    with OpenVideo(source, limits) as video:
        findings = Findings()
        findings.look_at_container(video)
        tally = Tally()
        cheapest, mistaken = TableKind.INDEX, None
        while True:
            table = locate_frames(video, limits, cheapest=cheapest, with_trace=sampler.reads_packets)
            span = _span(plan, table, limits, findings)
            if sampler.aims_at_keyframes:
                targets = [span.middle(number, plan.frames) for number in range(plan.frames)]
                table = with_confirmed_keys(video, table, targets)
            reader = FrameReader(video, table, tally)
            try:
                picks = sampler.choose(table, span, plan.frames, reader.glance)
                sink.clear()
                pictures = PictureCollector(video, plan, limits, sink, progress)
                pictures.expect(len(picks))
                reader.read([pick.index for pick in picks], pictures.deliver)
                break
            except TableMistaken:
                cheapest = _next_way(table.kind)
                mistaken = table.kind
        if pictures.geometry is None:
            raise failures.VideoUnreadable("No frame of the video can be decoded; send an intact file.")
        findings.extend(pictures.findings)
        findings.look_at_table(video, table)
        if sampler.reads_packets and table.trace is None:
            findings.add("shots_unknown", "The video does not allow looking for shots; equal parts of it were sampled.")
        if mistaken is not None and not (video.damaged_packets or findings.has("truncated")):
            findings.add_mistaken(mistaken)
        if video.damaged_packets or reader.substitutes or len(pictures.indices) < len(picks):
            findings.add_damage()
        if len(pictures.indices) < plan.frames:
            findings.add_shortage(plan.frames, len(pictures.indices))
        manifest = Manifest(
            sampler=plan.sampler,
            requested_frames=plan.frames,
            video=describe(video, table, pictures.geometry, pictures.pixel_format),
            frames=_sampled_frames(table, picks, pictures.indices, reader.substitutes),
            coverage=measure_coverage(table, span, sorted(pictures.indices), plan.frames),
            effort=DecodingEffort(table=table.kind.value, **vars(tally)),
            warnings=findings.warnings,
        )
        return Sampled(manifest, *pictures.size)


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

"""Messages of the gateway's contract and the gateway's values, each turned into the other."""

from __future__ import annotations

from typing import cast

from gateway.events import Event, Progressed, Stage, Summarised, Tagged, TextPiece, Timings
from gateway.order import Order
from gateway.video.manifest import Manifest
from gateway.video.sampled import SampledClip
from vidtomusictags.captioner.v1 import captioner_pb2
from vidtomusictags.classifier.v1 import classifier_pb2
from vidtomusictags.gateway.v1 import gateway_pb2 as pb
from vidtomusictags.media.v1 import media_pb2
from vidtomusictags.rpc.durations import to_duration, to_seconds

_STAGES = {
    Stage.RECEIVING: pb.STAGE_RECEIVING,
    Stage.SAMPLING: pb.STAGE_SAMPLING,
    Stage.CAPTIONING: pb.STAGE_CAPTIONING,
    Stage.CLASSIFYING: pb.STAGE_CLASSIFYING,
}
_DEFAULT_SAMPLER = "uniform"


def to_order(request_id: str, options: pb.TagOptions) -> Order:
    """What the caller wants; the captioner's and the classifier's parts stay messages."""
    sampling = options.sampling
    caption = captioner_pb2.CaptionConfig()
    if options.HasField("prompt"):
        caption.prompt.CopyFrom(options.prompt)
    if options.HasField("generation"):
        caption.generation.CopyFrom(options.generation)
    classify = classifier_pb2.ClassifyRequest(options=options.classify)
    match options.WhichOneof("taxonomy"):
        case "taxonomy_id":
            classify.taxonomy_id = options.taxonomy_id
        case "inline_taxonomy":
            classify.inline_taxonomy.CopyFrom(options.inline_taxonomy)
    return Order(
        request_id=request_id,
        sampler=sampling.sampler or _DEFAULT_SAMPLER,
        frames=sampling.frames,
        start_seconds=to_seconds(sampling.range.start) if sampling.range.HasField("start") else None,
        end_seconds=to_seconds(sampling.range.end) if sampling.range.HasField("end") else None,
        text_deltas=options.text_deltas,
        caption=caption,
        classify=classify,
    )


def event_message(sequence: int, event: Event, version: str) -> pb.TagEvent:
    """What happened, numbered. version: of the gateway."""
    match event:
        case Progressed():
            progress = pb.Progress(
                stage=_STAGES[event.stage], done=event.done, total=event.total, percent=event.percent
            )
            return pb.TagEvent(sequence=sequence, progress=progress)
        case TextPiece():
            return pb.TagEvent(sequence=sequence, text_delta=cast("captioner_pb2.TextDelta", event.message))
        case Summarised():
            summary = cast("captioner_pb2.Summary", event.description.message)
            return pb.TagEvent(sequence=sequence, summary=summary)
        case Tagged():
            return pb.TagEvent(sequence=sequence, result=_result(event, version))


def _result(tagged: Tagged, version: str) -> pb.TagResult:
    return pb.TagResult(
        request_id=tagged.request_id,
        summary=cast("captioner_pb2.Summary", tagged.description.message),
        classification=cast("classifier_pb2.Classification", tagged.tags.message),
        manifest=_manifest(tagged.clip),
        timings=_timings(tagged.timings),
        gateway_version=version,
        attempts=pb.Attempts(captioner=tagged.description.attempts, classifier=tagged.tags.attempts),
    )


def _manifest(clip: SampledClip) -> pb.FrameManifest:
    manifest = clip.manifest
    return pb.FrameManifest(
        sampler=manifest.sampler,
        requested_frames=manifest.requested_frames,
        video=_video(manifest, clip),
        frames=[
            pb.SampledFrame(
                index=frame.index,
                pts_ticks=frame.pts,
                pts=to_duration(frame.pts_seconds),
                time=to_duration(frame.time_seconds),
                target_time=to_duration(frame.target_seconds),
                reason=frame.reason,
            )
            for frame in manifest.frames
        ],
        coverage=pb.Coverage(
            covered_share=manifest.coverage.covered_share,
            longest_gap=to_duration(manifest.coverage.longest_gap_seconds),
            first_time=to_duration(manifest.coverage.first_seconds),
            last_time=to_duration(manifest.coverage.last_seconds),
        ),
        warnings=[pb.ManifestWarning(code=warning.code, message=warning.message) for warning in manifest.warnings],
    )


def _video(manifest: Manifest, clip: SampledClip) -> pb.VideoFacts:
    video = manifest.video
    return pb.VideoFacts(
        container=video.container,
        codec=video.codec,
        coded_size=media_pb2.FrameSize(width=video.width, height=video.height),
        display_size=media_pb2.FrameSize(width=video.display_width, height=video.display_height),
        sampled_size=media_pb2.FrameSize(width=clip.width, height=clip.height),
        rotation_degrees=video.rotation_degrees,
        sample_aspect_ratio=video.sample_aspect_ratio,
        time_base=video.time_base,
        frame_rate=video.frame_rate,
        frame_count=video.frame_count or 0,
        duration=to_duration(video.duration_seconds),
        duration_estimated=video.duration_estimated,
        size_bytes=video.size_bytes,
    )


def _timings(timings: Timings) -> pb.StageTimings:
    message = pb.StageTimings(
        sampling=to_duration(timings.sampling),
        captioning=to_duration(timings.captioning),
        classifying=to_duration(timings.classifying),
        total=to_duration(timings.total),
    )
    if timings.receiving is not None:
        message.receiving.CopyFrom(to_duration(timings.receiving))
    return message

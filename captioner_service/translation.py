"""The captioner's values and the messages of its contract, each turned into the other."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

from captioner_service.captioner import Job, TextPiece, WindowSummary
from captioner_service.clip import FinishReason, GenerationOptions, Prompt, StatementKind
from captioner_service.engines.engine import ModelCard
from captioner_service.frames import MAX_ENCODED_BYTES, MAX_RAW_BYTES, EncodedFrame, Encoding, FrameFormat
from captioner_service.prompts import PromptStock, custom_prompt, digest_of
from vidtomusictags.captioner.v1 import captioner_pb2 as pb
from vidtomusictags.media.v1 import media_pb2
from vidtomusictags.rpc.durations import to_duration, to_seconds
from vidtomusictags.rpc.failures import InvalidRequest, UnknownModel

_ENCODINGS = {
    media_pb2.FRAME_ENCODING_JPEG: Encoding.JPEG,
    media_pb2.FRAME_ENCODING_RGB24: Encoding.RGB24,
    media_pb2.FRAME_ENCODING_PNG: Encoding.PNG,
}
_FINISH_REASONS = {FinishReason.STOP: pb.FINISH_REASON_STOP, FinishReason.LENGTH: pb.FINISH_REASON_LENGTH}
_KINDS = {
    StatementKind.CONTENT: media_pb2.STATEMENT_KIND_CONTENT,
    StatementKind.SETTING: media_pb2.STATEMENT_KIND_SETTING,
    StatementKind.LOOK: media_pb2.STATEMENT_KIND_LOOK,
    StatementKind.MOTION: media_pb2.STATEMENT_KIND_MOTION,
    StatementKind.UNKNOWN: media_pb2.STATEMENT_KIND_UNKNOWN,
}
_MAX_SECONDS, _NANOS = 315_576_000_000, 1_000_000_000
"""Bounds of google.protobuf.Duration, as its .proto states them."""
_MAX_STOPS, _MAX_STOP_CHARACTERS, _MAX_TEMPERATURE = 4, 64, 2.0


def to_job(config: pb.CaptionConfig, prompts: PromptStock, card: ModelCard) -> Job:
    """What the config asks for. Raises InvalidRequest, UnknownModel or UnknownPrompt, naming the field."""
    if config.model not in ("", card.model):
        raise UnknownModel(f"This server serves {card.model}; leave `model` empty or name that.", field="model")
    if config.encoding not in _ENCODINGS:
        raise InvalidRequest("encoding must be JPEG, RGB24 or PNG.", field="encoding")
    if config.window > card.max_frames:
        raise InvalidRequest(f"window must be 0 to {card.max_frames} frames.", field="window")
    size = (config.frame_size.width, config.frame_size.height) if config.HasField("frame_size") else None
    return Job(
        format=FrameFormat(_ENCODINGS[config.encoding], size),
        window=config.window,
        prompt=_prompt(config.prompt, prompts),
        options=_options(config.generation, card),
        text_deltas=config.text_deltas,
    )


def to_frames(messages: Iterable[media_pb2.Frame]) -> Iterator[EncodedFrame]:
    """Frames, still encoded, one after another: the bytes of each are a copy, best used while it is at hand.

    Raises InvalidRequest for a time that no Duration may hold.
    """
    for message in messages:
        pts = message.pts
        if not (abs(pts.seconds) <= _MAX_SECONDS and abs(pts.nanos) < _NANOS):
            raise InvalidRequest(f"The pts of frame {message.index} is no valid Duration.", field="frames.pts")
        yield EncodedFrame(message.index, to_seconds(pts), message.data)


def max_frame_bytes(job: Job) -> int:
    """Most bytes of one frame in the job's encoding."""
    return job.format.encoding.max_bytes


def summary_message(summary: WindowSummary, card: ModelCard) -> pb.Summary:
    """A finished window with how it was made, what it cost and how long it took."""
    described = summary.described
    caption = described.caption
    return pb.Summary(
        window_index=summary.window,
        range=media_pb2.TimeRange(
            start=to_duration(summary.first_pts_seconds), end=to_duration(summary.last_pts_seconds)
        ),
        text=caption.text,
        finish_reason=_FINISH_REASONS[caption.finish_reason],
        statements=[
            media_pb2.Statement(start=s.start, end=s.end, kind=_KINDS[s.kind], certainty=s.certainty)
            for s in caption.statements
        ],
        provenance=pb.CaptionProvenance(
            engine=card.engine,
            model=card.model,
            revision=card.revision,
            quantisation=card.quantisation,
            prompt_name=summary.prompt.name,
            prompt_version=summary.prompt.version,
            prompt_digest=digest_of(summary.prompt),
            frame_count=summary.frame_count,
            seed=summary.seed,
        ),
        usage=pb.TokenUsage(
            prompt_tokens=caption.prompt_tokens,
            completion_tokens=caption.completion_tokens,
            reused_prompt_tokens=described.reused_tokens,
        ),
        timings=pb.CaptionTimings(
            queue=to_duration(described.queue_seconds),
            generate=to_duration(described.generate_seconds),
            batch_size=described.batch_size,
            prefill=to_duration(described.prefill_seconds) if described.decode_seconds else None,
            decode=to_duration(described.decode_seconds) if described.decode_seconds else None,
        ),
    )


def delta_message(piece: TextPiece) -> pb.TextDelta:
    """A piece of text."""
    return pb.TextDelta(window_index=piece.window, text=piece.text)


def model_message(card: ModelCard, prompts: PromptStock) -> pb.GetModelResponse:
    """What is served and how frames are wanted."""
    return pb.GetModelResponse(
        engine=card.engine,
        model=card.model,
        revision=card.revision,
        quantisation=card.quantisation,
        description=card.description,
        encodings=list(_ENCODINGS),
        frame_short_side=card.frame_short_side_pixels,
        default_frames=card.default_frames,
        max_frames=card.max_frames,
        max_frame_bytes=max(MAX_ENCODED_BYTES, MAX_RAW_BYTES),
        max_new_tokens=card.max_new_tokens,
        prompts=[
            pb.PromptTemplate(name=t.prompt.name, version=t.prompt.version, description=t.description)
            for t in prompts.templates
        ],
        max_concurrent_clips=card.max_batch_clips,
        context_tokens=card.context_tokens,
        tokens_per_frame=card.tokens_per_frame,
    )


def _prompt(message: pb.Prompt, prompts: PromptStock) -> Prompt:
    kind = message.WhichOneof("prompt")
    if kind == "name":
        return prompts.named(message.name)
    return custom_prompt(message.text) if kind == "text" else prompts.default()


def _options(message: pb.GenerationOptions, card: ModelCard) -> GenerationOptions:
    if message.max_new_tokens > card.max_new_tokens:
        raise InvalidRequest(
            f"max_new_tokens must be 1 to {card.max_new_tokens}, or 0 for the default.",
            field="generation.max_new_tokens",
        )
    # Comparisons are written so that NaN fails them.
    if not 0 <= message.temperature <= _MAX_TEMPERATURE:
        raise InvalidRequest(f"temperature must be 0 to {_MAX_TEMPERATURE:g}.", field="generation.temperature")
    top_p = message.top_p if message.HasField("top_p") else 1.0
    if not 0 < top_p <= 1:
        raise InvalidRequest("top_p must be above 0 and at most 1.", field="generation.top_p")
    stop = _stops(message.stop)
    default = GenerationOptions()
    return GenerationOptions(
        max_new_tokens=message.max_new_tokens or min(default.max_new_tokens, card.max_new_tokens),
        temperature=message.temperature,
        top_p=top_p,
        seed=message.seed,
        stop=stop,
    )


def _stops(stops: Sequence[str]) -> tuple[str, ...]:
    if len(stops) > _MAX_STOPS or not all(1 <= len(stop) <= _MAX_STOP_CHARACTERS for stop in stops):
        raise InvalidRequest(
            f"stop may have {_MAX_STOPS} entries of 1 to {_MAX_STOP_CHARACTERS} characters.", field="generation.stop"
        )
    return tuple(stops)

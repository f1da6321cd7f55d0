"""A summary as its caller sees it: the text, what its spans speak of, and how it was made."""

from __future__ import annotations

from dataclasses import dataclass

from vidtomusictags.captioner.v1 import captioner_pb2 as pb
from vidtomusictags.client.plain import share
from vidtomusictags.media.v1 import media_pb2
from vidtomusictags.rpc.durations import to_seconds


@dataclass(frozen=True)
class Statement:
    """What text[start:end] speaks of: content, setting, look, motion or unknown; certainty is 0 to 1."""

    start: int
    end: int
    kind: str
    certainty: float


@dataclass(frozen=True)
class CaptionProvenance:
    """With the frames, all that is needed to make the summary again."""

    engine: str
    model: str
    revision: str
    quantisation: str
    prompt_name: str
    prompt_version: str
    prompt_digest: str
    frame_count: int
    seed: int


@dataclass(frozen=True)
class CaptionTimings:
    """Seconds of wall-clock time. batch_size: clips that were described together."""

    queue_seconds: float
    generate_seconds: float
    batch_size: int


@dataclass(frozen=True)
class Caption:
    """One clip, described. cut: the text reached its token limit. Tokens are 0 where an engine has none."""

    text: str
    cut: bool
    statements: tuple[Statement, ...]
    provenance: CaptionProvenance
    prompt_tokens: int
    completion_tokens: int
    timings: CaptionTimings


def to_caption(message: pb.Summary) -> Caption:
    """The caption in a message."""
    made = message.provenance
    return Caption(
        text=message.text,
        cut=message.finish_reason == pb.FINISH_REASON_LENGTH,
        statements=tuple(Statement(s.start, s.end, _kind(s.kind), share(s.certainty)) for s in message.statements),
        provenance=CaptionProvenance(
            engine=made.engine,
            model=made.model,
            revision=made.revision,
            quantisation=made.quantisation,
            prompt_name=made.prompt_name,
            prompt_version=made.prompt_version,
            prompt_digest=made.prompt_digest,
            frame_count=made.frame_count,
            seed=made.seed,
        ),
        prompt_tokens=message.usage.prompt_tokens,
        completion_tokens=message.usage.completion_tokens,
        timings=CaptionTimings(
            queue_seconds=to_seconds(message.timings.queue),
            generate_seconds=to_seconds(message.timings.generate),
            batch_size=message.timings.batch_size,
        ),
    )


def _kind(kind: media_pb2.StatementKind.ValueType) -> str:
    """The name of a kind; "unknown" for one that a later server may add."""
    names = media_pb2.StatementKind
    return names.Name(kind).removeprefix("STATEMENT_KIND_").lower() if kind in names.values() else "unknown"

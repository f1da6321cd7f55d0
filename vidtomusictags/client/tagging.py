"""What both clients say to the gateway and make of its answers; needs no I/O, so it exists once."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Self, TypedDict

from vidtomusictags.captioner.v1 import captioner_pb2
from vidtomusictags.classifier.v1 import classifier_pb2
from vidtomusictags.client.result import TaggedVideo, to_tagged_video
from vidtomusictags.gateway.v1 import gateway_pb2 as pb
from vidtomusictags.media.v1 import media_pb2
from vidtomusictags.rpc.durations import to_duration
from vidtomusictags.rpc.failures import UpstreamBroken, VideoTooLarge
from vidtomusictags.rpc.status import from_status

SERVICE = pb.DESCRIPTOR.services_by_name["TaggingService"].full_name
CHUNK_BYTES = 256 * 1024


class TagOptions(TypedDict, total=False):
    """What `tag` can be asked for; everything may be left out.

    taxonomy: `id`, `id@version` or a whole Taxonomy message; left out, the service's default.
    include, exclude: ids of tags or facets: only these, and not these.
    max_tags: 1 to 100; 0, the default: 10. min_confidence: 0 to 1; left out, each tag's own threshold.
    sampler: `uniform`, `notebook` or another that the gateway has. frames: 1 to 256; 0: what the captioner likes best.
    start, end: seconds from the first presented frame; only that stretch is sampled.
    prompt: name of one of the captioner's templates; prompt_text: your own words instead.
    """

    taxonomy: str | classifier_pb2.Taxonomy | None
    include: Sequence[str]
    exclude: Sequence[str]
    max_tags: int
    min_confidence: float | None
    sampler: str
    frames: int
    start: float | None
    end: float | None
    prompt: str | None
    prompt_text: str | None


@dataclass(frozen=True)
class Progress:
    """How far the work is.

    stage: receiving, sampling, captioning or classifying. done, total: bytes while receiving, frames while sampling,
    summaries or calls after that; total is 0 where it is not known. percent: of the whole work; never falls.
    """

    stage: str
    done: int
    total: int
    percent: int


class TextPiece(str):
    """A piece of the summary. restarts: the text begins anew with it, and what came before does not count."""

    __slots__ = ("restarts",)

    restarts: bool

    def __new__(cls, text: str, *, restarts: bool = False) -> Self:
        """The piece `text`."""
        piece = super().__new__(cls, text)
        piece.restarts = restarts
        return piece


OnProgress = Callable[[Progress], None]
OnText = Callable[[TextPiece], None]


def options_message(options: TagOptions, *, text_deltas: bool) -> pb.TagOptions:
    """The options on the wire. Raises TypeError for an unknown name or two prompts, ValueError for a number < 0."""
    if unknown := options.keys() - TagOptions.__annotations__.keys():
        raise TypeError(f"tag() has no option {', '.join(sorted(unknown))}")
    message = pb.TagOptions(
        sampling=pb.Sampling(
            sampler=options.get("sampler", ""),
            frames=options.get("frames", 0),
            range=_range(options.get("start"), options.get("end")),
        ),
        prompt=prompt_message(options.get("prompt"), options.get("prompt_text")),
        classify=classifier_pb2.ClassifyOptions(
            include=options.get("include", ()),
            exclude=options.get("exclude", ()),
            max_tags=options.get("max_tags", 0),
            min_confidence=options.get("min_confidence"),
        ),
        text_deltas=text_deltas,
    )
    taxonomy = options.get("taxonomy")
    if isinstance(taxonomy, str):
        message.taxonomy_id = taxonomy
    elif taxonomy is not None:
        message.inline_taxonomy.CopyFrom(taxonomy)
    return message


def prompt_message(name: str | None, text: str | None) -> captioner_pb2.Prompt | None:
    """The prompt on the wire; None for the captioner's default. Raises TypeError for two."""
    if name and text:
        raise TypeError("give a prompt by name or in your own words, not both")
    if text:
        return captioner_pb2.Prompt(text=text)
    return captioner_pb2.Prompt(name=name) if name else None


def check_size(size_bytes: int | None, accepted: pb.TagAccepted) -> None:
    """Raises VideoTooLarge for an upload that the gateway would refuse in the end."""
    if size_bytes is not None and accepted.max_upload_bytes and size_bytes > accepted.max_upload_bytes:
        raise VideoTooLarge(
            f"The video has {size_bytes} bytes; the gateway takes at most {accepted.max_upload_bytes}.",
            field="config.size_bytes",
        )


def chunk_bytes(accepted: pb.TagAccepted) -> int:
    """How many bytes of the file to send in one message."""
    return min(CHUNK_BYTES, accepted.max_chunk_bytes or CHUNK_BYTES)


class Listener:
    """Makes of a call's events what they mean: progress and text are passed on, the result is kept, an error raised."""

    def __init__(self, on_progress: OnProgress | None, on_text: OnText | None) -> None:
        self._on_progress = on_progress
        self._on_text = on_text
        self._result: TaggedVideo | None = None

    def hear(self, event: pb.TagEvent) -> None:
        """Raises the Failure that an error event tells of."""
        match event.WhichOneof("event"):
            case "progress" if self._on_progress:
                self._on_progress(_progress(event.progress))
            case "text_delta" if self._on_text:
                self._on_text(TextPiece(event.text_delta.text, restarts=event.text_delta.restarts))
            case "result":
                self._result = to_tagged_video(event.result)
            case "error":
                raise from_status(event.error)

    def result(self) -> TaggedVideo:
        """What came of the call once it has ended. Raises UpstreamBroken where there was no result."""
        if self._result is None:
            raise UpstreamBroken("The gateway ended the call without a result; try again.")
        return self._result


def _range(start: float | None, end: float | None) -> media_pb2.TimeRange | None:
    if start is None and end is None:
        return None
    return media_pb2.TimeRange(
        start=None if start is None else to_duration(start), end=None if end is None else to_duration(end)
    )


def _progress(message: pb.Progress) -> Progress:
    known = message.stage in pb.Stage.values()
    stage = pb.Stage.Name(message.stage).removeprefix("STAGE_").lower() if known else "working"
    return Progress(stage, message.done, message.total, message.percent)

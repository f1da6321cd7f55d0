"""A tagged video: everything that the gateway says of it, typed, and as plain JSON."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from vidtomusictags.client.caption import Caption, CaptionProvenance, to_caption
from vidtomusictags.client.classification import (
    Classification,
    ClassificationProvenance,
    Tag,
    TaxonomyRef,
    to_classification,
)
from vidtomusictags.client.manifest import Frame, Manifest, to_manifest
from vidtomusictags.client.plain import plain
from vidtomusictags.gateway.v1 import gateway_pb2 as pb
from vidtomusictags.rpc.durations import to_seconds


@dataclass(frozen=True)
class Timings:
    """Seconds of wall-clock time, network and queues included. receiving_seconds is None for a URI."""

    receiving_seconds: float | None
    sampling_seconds: float
    captioning_seconds: float
    classifying_seconds: float
    total_seconds: float


@dataclass(frozen=True)
class Provenance:
    """How the tags came about."""

    gateway_version: str
    captioner: CaptionProvenance
    classifier: ClassificationProvenance


@dataclass(frozen=True)
class TaggedVideo:
    """The tags of a video. The parts as the services gave them, and by name what most callers want of them."""

    request_id: str
    caption: Caption
    classification: Classification
    manifest: Manifest
    timings: Timings
    gateway_version: str

    @property
    def summary(self) -> str:
        """The description that was tagged."""
        return self.caption.text

    @property
    def tags(self) -> tuple[Tag, ...]:
        """By falling confidence; may be empty."""
        return self.classification.tags

    @property
    def key_information(self) -> tuple[str, ...]:
        """Pieces of the summary that matter most, in their order."""
        return self.classification.key_information

    @property
    def reasoning(self) -> str:
        """Why these tags."""
        return self.classification.reasoning

    @property
    def taxonomy(self) -> TaxonomyRef:
        """The vocabulary that was used."""
        return self.classification.taxonomy

    @property
    def frames(self) -> tuple[Frame, ...]:
        """The frames that were looked at, in display order."""
        return self.manifest.frames

    @property
    def warnings(self) -> tuple[str, ...]:
        """What the caller should know: of the frames first (`manifest.warnings` has their codes), then of the tags."""
        return (*(warning.message for warning in self.manifest.warnings), *self.classification.warnings)

    @property
    def provenance(self) -> Provenance:
        """What made the summary and the tags."""
        return Provenance(self.gateway_version, self.caption.provenance, self.classification.provenance)

    def to_dict(self) -> dict[str, Any]:
        """All of it in JSON's own types; keys come in the same order every time."""
        return {
            "request_id": self.request_id,
            "summary": self.summary,
            "statements": plain(self.caption.statements),
            "tags": plain(self.tags),
            "key_information": list(self.key_information),
            "reasoning": self.reasoning,
            "taxonomy": plain(self.taxonomy),
            "warnings": list(self.warnings),
            "manifest": plain(self.manifest),
            "provenance": plain(self.provenance),
            "timings": plain(self.timings),
            "usage": {
                "captioner": {
                    "prompt_tokens": self.caption.prompt_tokens,
                    "completion_tokens": self.caption.completion_tokens,
                },
                "classifier": plain(self.classification.usage),
            },
        }


def to_tagged_video(message: pb.TagResult) -> TaggedVideo:
    """The tagged video in a message."""
    timings = message.timings
    return TaggedVideo(
        request_id=message.request_id,
        caption=to_caption(message.summary),
        classification=to_classification(message.classification),
        manifest=to_manifest(message.manifest),
        timings=Timings(
            receiving_seconds=to_seconds(timings.receiving) if timings.HasField("receiving") else None,
            sampling_seconds=to_seconds(timings.sampling),
            captioning_seconds=to_seconds(timings.captioning),
            classifying_seconds=to_seconds(timings.classifying),
            total_seconds=to_seconds(timings.total),
        ),
        gateway_version=message.gateway_version,
    )

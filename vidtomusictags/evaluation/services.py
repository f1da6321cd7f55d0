"""The two stages as the services do them: through their clients, on frames that are sampled here."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from typing import TYPE_CHECKING, TypeVar

from vidtomusictags.client.caption import Statement as Said
from vidtomusictags.client.captioner import CaptionerClient, Still
from vidtomusictags.client.classifier import ClassifierClient
from vidtomusictags.evaluation.pictures import picture
from vidtomusictags.evaluation.run_spec import RunSpec
from vidtomusictags.evaluation.score_row import ScoreRow
from vidtomusictags.evaluation.stage_results import (
    Answer,
    Identity,
    Returned,
    StageFailed,
    Statement,
    Summary,
)
from vidtomusictags.rpc.failures import Failure

if TYPE_CHECKING:
    from vidtomusictags.classifier.v1 import classifier_pb2
    from vidtomusictags.evaluation.clip_sampler import ClipSampler

T = TypeVar("T")
_TRIES = 4
_LONGEST_WAIT_SECONDS = 30.0


class ServiceCaptioner:
    """Samples clips here and has a captioner describe them. Raises StageFailed where it cannot be asked what it is."""

    def __init__(self, client: CaptionerClient, sampler: ClipSampler, spec: RunSpec) -> None:
        self._client = client
        self._sampler = sampler
        self._spec = spec
        model = _told(client.model)
        self._frames = spec.frames or model.default_frames
        self._short_side = model.frame_short_side or None
        known = {template.name: template.version for template in model.prompts}
        prompt = spec.prompt or next(iter(known), "")
        self.identity = Identity(
            "caption",
            {
                "engine": model.engine,
                "model": model.model,
                "revision": model.revision,
                "quantisation": model.quantisation,
                "prompt": spec.prompt_text or f"{prompt}@{known.get(prompt, '')}",
                "sampler": spec.sampler,
                "frames": self._frames,
                "short_side": self._short_side,
            },
        )

    def describe(self, clip: str) -> Summary:
        """Raises StageFailed."""
        return _told(lambda: self._described(clip))

    def _described(self, clip: str) -> Summary:
        started = time.monotonic()
        sampled = self._sampler.sample(
            clip, sampler=self._spec.sampler, frames=self._frames, short_side_pixels=self._short_side
        )
        taken = list(zip(sampled.manifest.frames, sampled.frames, strict=True))
        caption = self._client.caption(
            [Still(frame.index, frame.time_seconds, data) for frame, data in taken],
            size=(sampled.width, sampled.height),
            prompt=self._spec.prompt or None,
            prompt_text=self._spec.prompt_text or None,
        )
        return Summary(
            text=caption.text,
            statements=tuple(Statement(s.start, s.end, s.kind, s.certainty) for s in caption.statements),
            pictures=tuple(picture(frame.time_seconds, data) for frame, data in taken),
            seconds=time.monotonic() - started,
            prompt_tokens=caption.prompt_tokens,
            completion_tokens=caption.completion_tokens,
        )


class ServiceClassifier:
    """Has a classifier tag summaries. taxonomy: a name for the service, or the whole of it."""

    def __init__(self, client: ClassifierClient, spec: RunSpec, taxonomy: str | classifier_pb2.Taxonomy | None) -> None:
        """Raises StageFailed where it cannot be asked what it is."""
        self._client = client
        self._spec = spec
        self._taxonomy = taxonomy
        would = _told(lambda: client.what_answers(taxonomy))
        made = would.provenance
        self.identity = Identity(
            "classify",
            {
                "engine": made.engine,
                "model": made.model,
                "revision": made.revision,
                "prompt": made.prompt,
                "calibration": made.calibration,
                "taxonomy": would.taxonomy.id,
                "taxonomy_version": would.taxonomy.version,
                "taxonomy_digest": would.taxonomy.digest,
                "max_tags": spec.max_tags,
                "min_confidence": spec.min_confidence,
            },
        )

    def classify(self, summary: Summary) -> Answer:
        """Raises StageFailed."""
        started = time.monotonic()
        found = _told(
            lambda: self._client.classify(
                summary.text,
                taxonomy=self._taxonomy,
                max_tags=self._spec.max_tags,
                min_confidence=self._spec.min_confidence,
                statements=[Said(*statement) for statement in summary.statements],
                all_scores=True,
            )
        )
        return Answer(
            returned=tuple(
                Returned(tag.id, tag.confidence, tuple((e.start, e.end, e.quote) for e in tag.evidence))
                for tag in found.tags
            ),
            scores=ScoreRow({score.id: (score.confidence, score.raw_confidence) for score in found.scores}),
            reasoning=found.reasoning,
            seconds=time.monotonic() - started,
            attempts=found.usage.attempts,
            prompt_tokens=found.usage.prompt_tokens,
            completion_tokens=found.usage.completion_tokens,
            usd=found.usage.estimated_usd,
            warnings=found.warnings,
        )


def _told(call: Callable[[], T]) -> T:
    """What a call gives; one that was turned away for now is tried again when the service says. Raises StageFailed."""
    for attempt in range(1, _TRIES + 1):
        try:
            return call()
        except Failure as failure:
            again = failure.retry_after_seconds
            if again is None or attempt == _TRIES:
                # Only a client names its target, and only where nobody answers there.
                fatal = "target" in failure.details
                raise StageFailed(failure.message, reason=failure.reason, fatal=fatal) from failure
            threading.Event().wait(min(again * attempt, _LONGEST_WAIT_SECONDS))
    raise AssertionError("unreachable")

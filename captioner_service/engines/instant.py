"""The caption engine that answers at once with what it was given: for measuring everything but an engine."""

from __future__ import annotations

from collections.abc import Sequence

from captioner_service.clip import Caption, Clip, FinishReason
from captioner_service.engines.engine import ModelCard, OnText


class InstantEngine:
    """Counts frames. Describes nothing."""

    card = ModelCard(
        engine="instant",
        model="instant",
        revision="1",
        quantisation="none",
        frame_short_side_pixels=336,
        default_frames=8,
        max_frames=64,
        max_new_tokens=512,
        max_batch_clips=64,
        description="For load tests: it does not look at frames and says so.",
    )

    def caption(self, clips: Sequence[Clip], on_text: OnText) -> list[Caption]:
        """See `CaptionEngine`."""
        captions = [self._caption(clip) for clip in clips]
        for position, caption in enumerate(captions):
            on_text(position, caption.text)
        return captions

    def close(self) -> None:
        """See `CaptionEngine`."""

    def _caption(self, clip: Clip) -> Caption:
        words = f"{clip.frame_count} frames that nobody looked at".split()
        kept = words[: clip.options.max_new_tokens]
        reason = FinishReason.STOP if len(kept) == len(words) else FinishReason.LENGTH
        return Caption(" ".join(kept), reason, completion_tokens=len(kept))

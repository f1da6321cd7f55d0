"""Stages of evaluations that answer as they are told, and count how often they are asked."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from threading import Lock

from vidtomusictags.evaluation.clip_digest import clip_digest
from vidtomusictags.evaluation.running import Stages
from vidtomusictags.evaluation.score_row import ScoreRow
from vidtomusictags.evaluation.stage_results import Answer, Identity, Picture, Returned, StageFailed, Summary

SCORES = {"happy": 0.9, "sad": 0.2}


class ScriptedCaptioner:
    """Describes a clip by its name; those called `broken` fail."""

    def __init__(self, prompt: str = "concise@1") -> None:
        self.identity = Identity("caption", {"model": "scripted", "prompt": prompt})
        self.calls = 0
        self._lock = Lock()

    def describe(self, clip: str) -> Summary:
        with self._lock:
            self.calls += 1
        if "broken" in clip:
            raise StageFailed("the video cannot be read", reason="VIDEO_UNREADABLE")
        return Summary(f"A film about {clip.rpartition('/')[2]}.", pictures=(Picture(0.5, "aGVsbG8="),), seconds=0.25)


class ScriptedClassifier:
    """Answers with the same scores about everything, unless a function says otherwise."""

    def __init__(
        self,
        scores: Mapping[str, float] | Callable[[str], Mapping[str, float]] = SCORES,
        *,
        model: str = "scripted",
        **facts: str,
    ) -> None:
        self.identity = Identity("classify", {"engine": "stub", "model": model, **facts})
        self.calls = 0
        self._scores = scores
        self._lock = Lock()

    def classify(self, summary: Summary) -> Answer:
        with self._lock:
            self.calls += 1
        if "refuse" in summary.text:
            raise StageFailed("the model refused", reason="CONTENT_REFUSED")
        if "nobody is there" in summary.text:
            raise StageFailed("The classifier cannot be reached.", reason="UPSTREAM_UNAVAILABLE", fatal=True)
        scores = self._scores(summary.text) if callable(self._scores) else self._scores
        quote = summary.text[:6]
        return Answer(
            returned=tuple(Returned(tag, score, ((0, 6, quote),)) for tag, score in scores.items() if score >= 0.5),
            scores=ScoreRow({tag: (score, score) for tag, score in scores.items()}),
            seconds=0.5,
            prompt_tokens=10,
            completion_tokens=2,
            usd=0.001,
        )


def stages(
    classifier: ScriptedClassifier | None = None, captioner: ScriptedCaptioner | None = None, *, repeats: int = 1
) -> Stages:
    """Both, as a run has them."""
    return Stages(captioner or ScriptedCaptioner(), classifier or ScriptedClassifier(), clip_digest, repeats)

"""Takes every clip of a data set through the two stages, several at a time, and pays for nothing twice."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import dataclass
from typing import Protocol

from vidtomusictags.evaluation.dataset import Item
from vidtomusictags.evaluation.stage_results import (
    Answer,
    Captioner,
    Classifier,
    StageFailed,
    Summary,
    answer_from_dict,
    answer_to_dict,
    summary_from_dict,
    summary_to_dict,
)
from vidtomusictags.evaluation.stage_store import FAILURE, StageStore, content_key

_NOT_RECORDED = StageFailed(
    "the recording does not hold this; record again with --record", reason="NOT_RECORDED", fatal=False
)


@dataclass(frozen=True)
class ItemFailure:
    """Why there is no answer for a clip. stage: caption or classify. reason: stable name."""

    stage: str
    reason: str
    message: str


@dataclass(frozen=True)
class Outcome:
    """What became of one clip: at least one answer, or a failure. calls: results that were not in the store."""

    item: Item
    summary: Summary | None
    answers: Sequence[Answer]
    failure: ItemFailure | None = None
    calls: int = 0


@dataclass(frozen=True)
class Progress:
    """How far a run is. usd: what the calls of this run cost; what the store had is not counted."""

    done: int
    total: int
    failed: int
    from_store: int
    tokens: int
    usd: float


class ClipDigests(Protocol):
    """Tells what a clip's bytes are. Raises StageFailed."""

    def __call__(self, clip: str) -> str: ...


class ServiceGone(Exception):
    """A service cannot be reached; what was done is kept, and the same command goes on from there."""


@dataclass(frozen=True)
class Stages:
    """What a run consists of. captioner: None where every item has a summary."""

    captioner: Captioner | None
    classifier: Classifier
    digest_of: ClipDigests
    repeats: int = 1


def run_items(
    items: Sequence[Item],
    stages: Stages,
    store: StageStore,
    *,
    workers: int,
    on_progress: Callable[[Progress], None] = lambda progress: None,
) -> list[Outcome]:
    """One outcome per item, in their order. Raises ServiceGone as soon as a stage cannot work at all."""
    outcomes: list[Outcome | None] = [None] * len(items)
    stopped = threading.Event()
    failed = from_store = tokens = 0
    usd = 0.0
    with ThreadPoolExecutor(workers, thread_name_prefix="evaluation") as pool:
        places = {pool.submit(_run_item, item, stages, store, stopped): place for place, item in enumerate(items)}
        try:
            for done, future in enumerate(as_completed(places), start=1):
                outcome = outcomes[places[future]] = future.result()
                failed += outcome.failure is not None
                from_store += outcome.calls == 0 and outcome.failure is None
                if outcome.calls:
                    tokens += sum(answer.prompt_tokens + answer.completion_tokens for answer in outcome.answers)
                    usd += sum(answer.usd or 0.0 for answer in outcome.answers)
                on_progress(Progress(done, len(items), failed, from_store, tokens, usd))
        except BaseException:
            stopped.set()
            pool.shutdown(cancel_futures=True)
            raise
    return [outcome for outcome in outcomes if outcome is not None]


def _run_item(item: Item, stages: Stages, store: StageStore, stopped: threading.Event) -> Outcome:
    calls = _Calls(store, stopped)
    stage, summary, answers = "caption", None, list[Answer]()
    try:
        summary = _summarised(item, stages, calls)
        stage = "classify"
        for repeat in range(stages.repeats):
            answers.append(_answered(summary, stages, calls, repeat))
    except StageFailed as error:
        if error.fatal:
            raise ServiceGone(error.message) from error
        if not answers:
            return Outcome(item, summary, (), ItemFailure(stage, error.reason, error.message), calls.count)
    return Outcome(item, summary, tuple(answers), None, calls.count)


def _summarised(item: Item, stages: Stages, calls: _Calls) -> Summary:
    if item.summary:
        return Summary(item.summary)
    if not item.clip:
        raise StageFailed("has neither clip nor summary", reason="NO_INPUT")
    captioner = stages.captioner
    assert captioner is not None
    key = content_key(captioner.identity, {"clip": stages.digest_of(item.clip)})
    content = calls.get(key, "caption", lambda: summary_to_dict(captioner.describe(item.clip)))
    return summary_from_dict(content)


def _answered(summary: Summary, stages: Stages, calls: _Calls, repeat: int) -> Answer:
    given = {"summary": summary.text, "statements": [list(one) for one in summary.statements], "repeat": repeat}
    key = content_key(stages.classifier.identity, given)
    return answer_from_dict(calls.get(key, "classify", lambda: answer_to_dict(stages.classifier.classify(summary))))


class _Calls:
    """The store, and behind it the stages."""

    def __init__(self, store: StageStore, stopped: threading.Event) -> None:
        self._store = store
        self._stopped = stopped
        self.count = 0

    def get(self, key: str, stage: str, call: Callable[[], dict[str, object]]) -> dict[str, object]:
        """The stored result, or that of the call, which is stored. Raises StageFailed, a stored failure too."""
        content = self._store.get(key)
        if content is None:
            if self._store.only:
                raise _NOT_RECORDED
            if self._stopped.is_set():
                raise StageFailed("the evaluation was stopped", reason="STOPPED")
            try:
                content = call()
            except StageFailed as error:
                if not error.fatal:
                    self._store.put(key, stage, {FAILURE: {"reason": error.reason, "message": error.message}})
                raise
            self.count += 1
            self._store.put(key, stage, content)
        if isinstance(failure := content.get(FAILURE), dict):
            raise StageFailed(failure["message"], reason=failure["reason"])
        return content

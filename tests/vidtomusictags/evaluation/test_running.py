"""Runs: everything is called once, nothing is lost, and failures count."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from scripted_stages import ScriptedCaptioner, ScriptedClassifier, stages

from vidtomusictags.evaluation.dataset import Item
from vidtomusictags.evaluation.recording import Recorder, RecordingUnusable, Replay
from vidtomusictags.evaluation.run_spec import RunInvalid, parse_run
from vidtomusictags.evaluation.running import Progress, ServiceGone, run_items
from vidtomusictags.evaluation.score_table import score_table
from vidtomusictags.evaluation.stage_results import Identity
from vidtomusictags.evaluation.stage_store import StageCache


def item(id: str, *, clip: str = "", summary: str = "") -> Item:
    return Item(id, 1, {"ann": {"happy": 1.0}}, id, clip, summary)


@pytest.fixture
def cache(tmp_path: Path) -> Iterator[StageCache]:
    with StageCache(tmp_path / "cache.sqlite") as opened:
        yield opened


@pytest.fixture
def clips(tmp_path: Path) -> list[Item]:
    """Three clips, of which the last two have the same bytes."""
    for name, content in (("a", b"1"), ("b", b"2"), ("c", b"2")):
        (tmp_path / f"{name}.mp4").write_bytes(content)
    return [item(name, clip=str(tmp_path / f"{name}.mp4")) for name in "abc"]


def test_another_classifier_costs_no_captioning(cache: StageCache, clips: list[Item]) -> None:
    captioner = ScriptedCaptioner()
    run_items(clips[:2], stages(captioner=captioner), cache, workers=2)
    assert captioner.calls == 2
    other = ScriptedClassifier(model="another")
    outcomes = run_items(clips[:2], stages(other, captioner), cache, workers=2)
    assert (captioner.calls, other.calls) == (2, 2)
    assert [outcome.calls for outcome in outcomes] == [1, 1]


def test_another_prompt_is_captioned_anew(cache: StageCache, clips: list[Item]) -> None:
    run_items(clips[:1], stages(), cache, workers=1)
    other = ScriptedCaptioner("scene@1")
    run_items(clips[:1], stages(captioner=other), cache, workers=1)
    assert other.calls == 1


def test_results_belong_to_bytes_and_not_to_names(cache: StageCache, clips: list[Item]) -> None:
    captioner = ScriptedCaptioner()
    run_items(clips, stages(captioner=captioner), cache, workers=1)
    assert captioner.calls == 2
    Path(clips[0].clip).write_bytes(b"changed")
    run_items(clips, stages(captioner=captioner), cache, workers=1)
    assert captioner.calls == 3


def test_a_run_that_was_broken_off_goes_on(cache: StageCache) -> None:
    texts = [item(str(number), summary=f"text {number}") for number in range(6)]
    gone = [*texts[:4], item("x", summary="nobody is there"), *texts[4:]]
    first = ScriptedClassifier()
    with pytest.raises(ServiceGone, match="cannot be reached"):
        run_items(gone, stages(first), cache, workers=1)
    again = ScriptedClassifier()
    outcomes = run_items(texts, stages(again), cache, workers=1)
    assert all(outcome.answers for outcome in outcomes)
    assert again.calls <= 2


def test_failures_keep_their_place_and_are_tried_again(cache: StageCache, tmp_path: Path) -> None:
    (tmp_path / "broken.mp4").write_bytes(b"x")
    rows = [
        item("gone", clip=str(tmp_path / "gone.mp4")),
        item("broken", clip=str(tmp_path / "broken.mp4")),
        item("refused", summary="please refuse"),
        item("far", clip="https://example.org/a.mp4"),
        item("nothing"),
        item("fine", summary="fine"),
    ]
    outcomes = run_items(rows, stages(), cache, workers=3)
    told = [(one.failure.stage, one.failure.reason) if one.failure else None for one in outcomes]
    assert told == [
        ("caption", "VIDEO_NOT_FOUND"),
        ("caption", "VIDEO_UNREADABLE"),
        ("classify", "CONTENT_REFUSED"),
        ("caption", "URI_INVALID"),
        ("caption", "NO_INPUT"),
        None,
    ]
    table = score_table(outcomes, ("happy", "sad"))
    assert table.answered.tolist() == [False] * 5 + [True]
    assert not table.returned[:5].any()
    again = ScriptedClassifier()
    run_items(rows, stages(again), cache, workers=1)
    assert again.calls == 1


def test_progress_tells_failures_what_was_known_and_what_it_costs(cache: StageCache) -> None:
    rows = [item("1", summary="one"), item("2", summary="refuse")]
    seen: list[Progress] = []
    run_items(rows, stages(), cache, workers=1, on_progress=seen.append)
    assert seen[-1] == Progress(done=2, total=2, failed=1, from_store=0, tokens=12, usd=0.001)
    run_items(rows[:1], stages(), cache, workers=1, on_progress=seen.append)
    assert seen[-1] == Progress(done=1, total=1, failed=0, from_store=1, tokens=0, usd=0.0)


def test_repeats_are_asked_each_for_itself(cache: StageCache) -> None:
    classifier = ScriptedClassifier()
    (outcome,) = run_items([item("1", summary="one")], stages(classifier, repeats=3), cache, workers=1)
    assert (len(outcome.answers), classifier.calls) == (3, 3)


def test_a_recording_repeats_a_run_with_failures_and_without_anybody(
    cache: StageCache, clips: list[Item], tmp_path: Path
) -> None:
    rows = [*clips, item("refused", summary="refuse"), item("fine", summary="fine")]
    recorder = Recorder(cache)
    spec = parse_run("base=classifier=embedded")
    recorder.note_run(spec, {"classify": Identity("classify", {"model": "scripted"})})
    recorded = run_items(rows, stages(), recorder, workers=2)
    recorder.write(tmp_path / "recording.jsonl")

    replay = Replay(tmp_path / "recording.jsonl")
    captioner, classifier = ScriptedCaptioner(), ScriptedClassifier()
    repeated = run_items(rows, stages(classifier, captioner), replay, workers=2)
    assert (captioner.calls, classifier.calls) == (0, 0)
    assert [(one.summary, one.answers, one.failure) for one in repeated] == [
        (one.summary, one.answers, one.failure) for one in recorded
    ]
    assert replay.identities(spec)["classify"].facts == {"model": "scripted"}
    with pytest.raises(RecordingUnusable, match="does not hold"):
        replay.identities(parse_run("base=classifier=instructor"))


def test_what_was_not_recorded_fails_and_is_never_called(tmp_path: Path, cache: StageCache) -> None:
    recorder = Recorder(cache)
    recorder.write(tmp_path / "recording.jsonl")
    classifier = ScriptedClassifier()
    (outcome,) = run_items(
        [item("1", summary="one")], stages(classifier), Replay(tmp_path / "recording.jsonl"), workers=1
    )
    assert classifier.calls == 0
    assert outcome.failure is not None
    assert outcome.failure.reason == "NOT_RECORDED"


def test_a_file_that_is_no_recording_is_refused_with_its_line(tmp_path: Path) -> None:
    (tmp_path / "recording.jsonl").write_text('{"kind": "format", "key": "", "content": {"version": 1}}\n{}\n')
    with pytest.raises(RecordingUnusable, match="line 2"):
        Replay(tmp_path / "recording.jsonl")


def test_scores_that_are_no_share_are_told_and_count_as_nothing() -> None:
    class NoStore:
        only = False

        def get(self, key: str) -> None:
            return None

        def put(self, key: str, stage: str, content: object) -> None:
            pass

    scores = {"happy": float("nan"), "sad": 0.6, "other": 0.9}
    rows = [item("1", summary="one")]
    outcomes = run_items(rows, stages(ScriptedClassifier(scores)), NoStore(), workers=1)
    table = score_table(outcomes, ("happy", "sad"))
    assert table.confidence.tolist() == [[0.0, pytest.approx(0.6)]]
    assert [str(fault.kind) for fault in table.faults] == ["bad_score"]
    assert table.faults[0].row == 1


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ("base", "is no run"),
        ("ba se=classifier=embedded", "no name of a run"),
        ("base=classifier", "is not key=value"),
        ("base=clasifier=embedded", "there is no 'clasifier'"),
        ("base=frames=many", "not a number"),
        ("base=frames=1000", "0 to 256"),
        ("base=min_confidence=2", "0 to 1"),
        ("base=repeats=0", "1 to 20"),
        ("base=prompt=scene,prompt_text=What?", "not both"),
        ("base=classifier=127.0.0.1:50052,classifier.model=x", "settings are its own"),
    ],
)
def test_a_run_that_cannot_be_understood_is_refused_in_words(text: str, fault: str) -> None:
    with pytest.raises(RunInvalid, match=fault):
        parse_run(text)


def test_a_run_is_known_by_what_it_does_and_not_by_its_name() -> None:
    one, other = parse_run("one=classifier=embedded,min-confidence=0.5"), parse_run("other=min_confidence=0.5")
    assert one.digest == other.digest
    assert one.digest != parse_run("one=min_confidence=0.6").digest
    model = parse_run("gpt=classifier=instructor,classifier.model=openai/gpt-4o")
    assert model.classifier_settings == {"model": "openai/gpt-4o"}

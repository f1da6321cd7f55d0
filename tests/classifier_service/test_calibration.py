"""What a calibration does to confidences, and how its files are read."""

from __future__ import annotations

import json
import math
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from classifier_service.calibration import (
    Calibration,
    CalibrationInvalid,
    Calibrations,
    Key,
    from_dict,
    read_calibration,
    to_dict,
)
from classifier_service.calibration_curves import BetaCurve, StepCurve
from classifier_service.choosing import choose
from classifier_service.engines.calibrated import CalibratedEngine
from classifier_service.engines.engine import Answer, EngineCard, Question, ScoredTag
from classifier_service.taxonomy import Tag, Taxonomy

A, B, C = Tag("a", "A"), Tag("b", "B", excludes=("a",)), Tag("c", "C", threshold=0.9)
TAXONOMY = Taxonomy("t", "1.0.0", tags=(A, B, C))
CARD = EngineCard("stub", "stub-1", "r1")
KEY = Key("t", "1.0.0", TAXONOMY.digest, "stub", "stub-1", "r1")
HALVING = StepCurve((0.0, 1.0), (0.0, 0.5))


def calibration(**other: Any) -> Calibration:
    content: dict[str, Any] = {"curve": HALVING, "shifts": {}, "threshold": 0.3, "thresholds": {}}
    return Calibration(**{"key": KEY, "version": 1, **content, **other})


def question(**other: Any) -> Question:
    return Question("text", TAXONOMY, frozenset({"a", "b", "c"}), 10, **other)


class StubEngine:
    """Scores every tag by a list of numbers."""

    card = CARD

    def __init__(self, *scores: ScoredTag) -> None:
        self._scores = scores

    async def prepare(self, taxonomy: Taxonomy) -> None:
        pass

    async def classify(self, question: Question) -> Answer:
        choice = choose(self._scores, question, 0.5)
        return Answer(choice.tags, (), "", scores=choice.ranked)

    async def close(self) -> None:
        pass


def test_the_identity_of_beta_calibration_changes_nothing() -> None:
    curve = BetaCurve(1, 1, 0)
    assert [round(curve(raw), 6) for raw in (0.1, 0.5, 0.9)] == [0.1, 0.5, 0.9]


def test_beta_calibration_is_the_formula_of_its_paper() -> None:
    curve, s = BetaCurve(0.7, 1.4, -0.3), 0.35
    assert curve(s) == pytest.approx(1 / (1 + 1 / (math.exp(-0.3) * s**0.7 / (1 - s) ** 1.4)))


def test_isotonic_calibration_is_linear_between_knots_and_level_outside() -> None:
    curve = StepCurve((0.2, 0.4, 0.8), (0.1, 0.1, 0.9))
    assert [round(curve(raw), 6) for raw in (0.0, 0.2, 0.3, 0.6, 0.8, 1.0)] == [0.1, 0.1, 0.1, 0.5, 0.9, 0.9]


def test_a_shift_moves_the_logit_of_its_tag_alone() -> None:
    shifted = calibration(shifts={"a": 1.0})
    assert shifted.confidence("b", 0.8) == 0.4
    assert shifted.confidence("a", 0.8) == pytest.approx(1 / (1 + math.exp(-(math.log(0.4 / 0.6) + 1))), abs=1e-4)


def test_confidence_never_falls_as_the_estimate_rises() -> None:
    steep = calibration(curve=BetaCurve(2.0, 0.3, 0.5), shifts={"a": -1.5})
    confidences = [steep.confidence("a", raw / 100) for raw in range(101)]
    assert confidences == sorted(confidences)


def test_choosing_applies_the_calibration_and_keeps_the_first_estimate() -> None:
    choice = choose([ScoredTag("a", 0.8, 0.8)], question(calibration=calibration()), 0.9)
    assert [(tag.id, tag.confidence, tag.raw_confidence) for tag in choice.tags] == [("a", 0.4, 0.8)]


def test_thresholds_come_from_the_question_then_the_tag_then_the_calibration() -> None:
    scored = [ScoredTag("a", 0.8, 0.8), ScoredTag("c", 0.8, 0.8)]
    assert [tag.id for tag in choose(scored, question(calibration=calibration()), 0.9).tags] == ["a"]
    own = calibration(thresholds={"a": 0.41})
    assert choose(scored, question(calibration=own), 0.0).tags == ()
    asked = question(calibration=own, min_confidence=0.1)
    assert [tag.id for tag in choose(scored, asked, 0.9).tags] == ["a", "c"]


def test_exclusion_goes_by_calibrated_confidence() -> None:
    scored = [ScoredTag("a", 0.9, 0.9), ScoredTag("b", 0.8, 0.8)]
    lifted = calibration(shifts={"b": 3.0})
    assert [tag.id for tag in choose(scored, question(calibration=lifted), 0.5).tags] == ["b"]


def test_a_confidence_that_the_engine_lowered_is_not_raised_again() -> None:
    raising = calibration(curve=StepCurve((0.0, 1.0), (0.5, 1.0)))
    choice = choose([ScoredTag("a", 0.6, 0.9)], question(calibration=raising), 0.5)
    assert choice.tags[0].confidence == 0.6


async def test_an_engine_is_calibrated_for_the_very_taxonomy_model_and_revision_alone() -> None:
    own = calibration()
    for key, applied in [
        (KEY, True),
        (replace(KEY, taxonomy_digest="0" * 64), False),
        (replace(KEY, model="stub-2"), False),
        (replace(KEY, revision="r2"), False),
        (replace(KEY, prompt="publisher@2"), False),
    ]:
        engine = CalibratedEngine(StubEngine(ScoredTag("a", 0.8, 0.8)), Calibrations([replace(own, key=key)]))
        answer = await engine.classify(question())
        assert bool(answer.calibration) is applied
        assert answer.scores[0].confidence == (0.4 if applied else 0.8)


async def test_an_answer_names_the_calibration_that_made_it() -> None:
    engine = CalibratedEngine(StubEngine(ScoredTag("a", 0.8, 0.8)), Calibrations([calibration()]))
    assert (await engine.classify(question())).calibration.startswith("t@1.0.0/stub/stub-1/v1#")


def test_of_several_versions_the_newest_counts() -> None:
    found = Calibrations([calibration(version=3), calibration(version=10), calibration(version=2)]).find(KEY)
    assert found is not None
    assert found.version == 10


def test_a_file_reads_back_as_it_was(tmp_path: Path) -> None:
    for own in (calibration(shifts={"a": 0.25}, thresholds={"b": 0.5}), calibration(curve=BetaCurve(0.5, 1.0, -0.25))):
        file = tmp_path / "t.json"
        file.write_text(json.dumps(to_dict(own)))
        assert read_calibration(file) == own
        assert read_calibration(file).id == own.id


@pytest.mark.parametrize(
    ("change", "fault"),
    [
        ({"format": 2}, "format"),
        ({"threshold": 1.5}, "within 0 and 1"),
        ({"shifts": {"a": "NaN"}}, "finite"),
        ({"curve": {"kind": "spline"}}, "unknown kind"),
        ({"curve": {"kind": "isotonic", "x": [0.5, 0.5], "y": [0.1, 0.2]}}, "must rise"),
        ({"curve": {"kind": "isotonic", "x": [0.1, 0.5], "y": [0.3, 0.2]}}, "must not fall"),
        ({"curve": {"kind": "beta", "a": -1, "b": 1, "c": 0}}, "negative"),
    ],
)
def test_a_faulty_file_is_refused_by_name(tmp_path: Path, change: dict[str, Any], fault: str) -> None:
    file = tmp_path / "broken.json"
    file.write_text(json.dumps(to_dict(calibration()) | change))
    with pytest.raises(CalibrationInvalid, match=r"broken\.json") as told:
        Calibrations.load(tmp_path)
    assert fault in str(told.value)


def test_a_directory_that_is_none_is_refused(tmp_path: Path) -> None:
    with pytest.raises(CalibrationInvalid, match="not a directory"):
        Calibrations.load(tmp_path / "absent")


def test_from_dict_does_not_change_what_it_reads() -> None:
    content = to_dict(calibration())
    assert to_dict(from_dict(content)) == content == to_dict(from_dict(content))

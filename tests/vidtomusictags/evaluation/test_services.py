"""The stages as services do them, against fakes on the wire."""

from __future__ import annotations

from typing import Any

import pytest

from vidtomusictags.classifier.v1 import classifier_pb2
from vidtomusictags.client.classifier import ClassifierClient
from vidtomusictags.evaluation.run_spec import RunSpec
from vidtomusictags.evaluation.services import ServiceClassifier
from vidtomusictags.evaluation.stage_results import StageFailed, Statement, Summary
from vidtomusictags.rpc import failures


def test_a_summary_goes_out_with_its_statements_and_comes_back_with_everything(fakes: str, script: Any) -> None:
    with ClassifierClient(fakes) as client:
        classifier = ServiceClassifier(client, RunSpec("served", max_tags=3, min_confidence=0.25), "moods")
        answer = classifier.classify(Summary("A hug.", (Statement(0, 6, "content", 0.5),)))
    asked, request = script.requests
    assert asked.validate_only
    assert request.options == classifier_pb2.ClassifyOptions(max_tags=3, min_confidence=0.25, all_scores=True)
    assert request.statements[0].certainty == 0.5
    assert [tag.id for tag in answer.returned] == ["happy", "calm"]
    assert answer.seconds > 0
    facts = classifier.identity.facts
    assert (facts["min_confidence"], facts["max_tags"], facts["taxonomy"]) == (0.25, 3, "music-moods")


def test_a_refusal_is_that_clips_failure_and_no_other(fakes: str, script: Any) -> None:
    with ClassifierClient(fakes) as client:
        classifier = ServiceClassifier(client, RunSpec("served"), None)
        script.refuse = failures.SummaryInvalid("The summary is empty; send words.")
        with pytest.raises(StageFailed, match="send words") as told:
            classifier.classify(Summary(" "))
    assert (told.value.reason, told.value.fatal) == ("SUMMARY_INVALID", False)


def test_what_is_turned_away_for_now_is_tried_again(fakes: str, script: Any) -> None:
    with ClassifierClient(fakes) as client:
        classifier = ServiceClassifier(client, RunSpec("served"), None)
        script.refuse = failures.QueueFull("Too much to do.", retry_after_seconds=0.001)
        with pytest.raises(StageFailed, match="Too much to do"):
            classifier.classify(Summary("A hug."))
    assert len(script.requests) == 1 + 4


def test_a_service_that_is_not_there_ends_everything(nobody: str) -> None:
    with ClassifierClient(nobody) as client, pytest.raises(StageFailed, match="cannot be reached") as told:
        ServiceClassifier(client, RunSpec("served"), None)
    assert told.value.fatal

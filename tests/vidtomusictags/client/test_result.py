"""The typed result."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path
from typing import Any

import pytest

from vidtomusictags import Client, TaggedVideo


@pytest.fixture
def tagged(fakes: str, script: Any) -> TaggedVideo:
    with Client(fakes) as client:
        return client.tag("file:///a.mp4")


def test_everything_has_a_name(tagged: TaggedVideo) -> None:
    assert tagged.request_id == "made-by-the-gateway"
    assert tagged.summary.startswith("A large rabbit")
    happy = tagged.tags[0]
    assert (happy.id, happy.label, happy.confidence, happy.raw_confidence) == ("happy", "Happy", 0.8, 0.7)
    assert happy.external == {"id3": "TMOO", "house_db": "10417"}
    assert tagged.summary[happy.evidence[0].start : happy.evidence[0].end] == happy.evidence[0].quote
    assert tagged.frames[1].index == 1
    assert (tagged.frames[1].pts, tagged.frames[1].pts_seconds, tagged.frames[1].time_seconds) == (1000, 1.0, 1.0)
    assert tagged.frames[1].target_seconds == 1.25
    assert tagged.key_information == ("A large rabbit wakes up",)
    assert tagged.reasoning == "The meadow is sunny."
    assert tagged.taxonomy.version == "1.0.0"
    assert tagged.provenance.captioner.model == "fake-captioner"
    assert tagged.provenance.classifier.engine == "fake"
    assert tagged.timings.total_seconds == 2.5


def test_the_warnings_of_frames_and_of_tags_come_together(tagged: TaggedVideo) -> None:
    assert tagged.warnings == ("Only 2 frames are there.", "The summary was short.")


def test_it_cannot_be_changed(tagged: TaggedVideo) -> None:
    with pytest.raises(dataclasses.FrozenInstanceError):
        tagged.request_id = "other"  # type: ignore[misc]


def test_its_dictionary_is_json_in_one_order(tagged: TaggedVideo, fakes: str) -> None:
    document = tagged.to_dict()
    assert json.loads(json.dumps(document)) == document
    with Client(fakes) as client:
        again = client.tag("file:///a.mp4").to_dict()
    assert json.dumps(again) == json.dumps(document)
    assert list(document) == [
        "request_id",
        "summary",
        "statements",
        "tags",
        "key_information",
        "reasoning",
        "taxonomy",
        "warnings",
        "manifest",
        "provenance",
        "timings",
        "usage",
    ]
    assert document["tags"][0] == {
        "id": "happy",
        "label": "Happy",
        "facet": "",
        "confidence": 0.8,
        "raw_confidence": 0.7,
        "evidence": [{"start": 29, "end": 41, "quote": "sunny meadow"}],
        "external": {"house_db": "10417", "id3": "TMOO"},
    }


def test_the_time_of_receiving_is_absent_for_a_uri(fakes: str, tmp_path: Path) -> None:
    from vidtomusictags.client.result import to_tagged_video
    from vidtomusictags.gateway.v1 import gateway_pb2

    assert to_tagged_video(gateway_pb2.TagResult()).timings.receiving_seconds is None

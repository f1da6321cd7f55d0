"""A classifier with a directory of calibrations, over the wire."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import grpc
import pytest

from classifier_service.app import running
from classifier_service.calibration import Calibration, CalibrationInvalid, Key, to_dict
from classifier_service.calibration_curves import BetaCurve
from classifier_service.settings import ClassifierSettings
from vidtomusictags.classifier.v1 import classifier_pb2 as pb
from vidtomusictags.classifier.v1.classifier_pb2_grpc import ClassifierServiceStub

pytestmark = pytest.mark.usefixtures("taxonomies_encoded_once")

JOY = "Children laugh and dance in a garden, and everybody cheers."


def settings(calibrations: Path | None) -> ClassifierSettings:
    return ClassifierSettings(
        listen="127.0.0.1:0", engine="embedded", drain_announce_seconds=0.0, calibrations=calibrations
    )


async def asked(port: int, *, summary: str = JOY) -> pb.Classification:
    async with grpc.aio.insecure_channel(f"127.0.0.1:{port}") as channel:
        request = pb.ClassifyRequest(summary=summary, options=pb.ClassifyOptions(all_scores=True))
        if not summary:
            request = pb.ClassifyRequest(validate_only=True)
        response: pb.ClassifyResponse = await ClassifierServiceStub(channel).Classify(request)
        return response.classification


async def test_the_scores_of_all_tags_come_with_the_calibration_that_made_them(tmp_path: Path) -> None:
    async with running(settings(None)) as port:
        plain = await asked(port)
    assert plain.provenance.calibration == ""
    assert len(plain.scores) == 8
    made, taxonomy = plain.provenance, plain.taxonomy
    key = Key(taxonomy.id, taxonomy.version, taxonomy.digest, made.engine, made.model, made.revision, made.prompt)
    halved = Calibration(key, 1, BetaCurve(1.0, 1.0, -1.0), {}, threshold=0.05, thresholds={})
    (tmp_path / "moods.json").write_text(json.dumps(to_dict(halved)))
    (tmp_path / "other.json").write_text(json.dumps(to_dict(replace(halved, key=replace(key, model="another")))))

    async with running(settings(tmp_path)) as port:
        calibrated, would = await asked(port), await asked(port, summary="")
    assert calibrated.provenance.calibration == would.provenance.calibration == halved.id
    assert [tag.confidence for tag in calibrated.tags] != [tag.confidence for tag in plain.tags]
    raw = {score.id: score.raw_confidence for score in plain.scores}
    for score in calibrated.scores:
        assert score.raw_confidence == raw[score.id]
        assert score.confidence == pytest.approx(halved.confidence(score.id, raw[score.id]), abs=2e-4)
    for tag in calibrated.tags:
        assert f"({tag.confidence:.2f})" in calibrated.reasoning


async def test_a_file_that_is_no_calibration_stops_the_start(tmp_path: Path) -> None:
    (tmp_path / "moods.json").write_text("{}")
    with pytest.raises(CalibrationInvalid, match=r"moods\.json"):
        async with running(settings(tmp_path)):
            pass

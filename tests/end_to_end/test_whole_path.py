"""A real film through the three real services, with the engines that need neither GPU nor key nor download."""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import grpc
import pytest
from log_lines import LogLines
from tagging_calls import pieces, tag_upload, tag_video

from captioner_service.app import running as running_captioner
from captioner_service.settings import CaptionerSettings
from classifier_service.app import running as running_classifier
from classifier_service.settings import ClassifierSettings
from gateway.app import running as running_gateway
from gateway.settings import GatewaySettings
from vidtomusictags.gateway.v1 import gateway_pb2 as pb
from vidtomusictags.gateway.v1 import gateway_pb2_grpc

FILM = Path(__file__).parents[2] / "examples" / "big-buck-bunny.mp4"
TAGGING = "vidtomusictags.gateway.v1.TaggingService"
GRPCURL = Path(sys.executable).parent / "grpcurl"


@dataclass
class Services:
    """The three, and a way to the first."""

    captioner: int
    classifier: int
    gateway: int
    stub: Any


@pytest.fixture(scope="module")
async def services(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Services]:
    async with AsyncExitStack() as stack:
        hosted: dict[str, Any] = {"listen": "127.0.0.1:0", "drain_announce_seconds": 0}
        captioner = await stack.enter_async_context(running_captioner(CaptionerSettings(**hosted)))
        classifier = await stack.enter_async_context(running_classifier(ClassifierSettings(**hosted)))
        settings = GatewaySettings(
            **hosted,
            captioner=f"127.0.0.1:{captioner}",
            classifier=f"127.0.0.1:{classifier}",
            roots=(FILM.parent,),
            spool_directory=tmp_path_factory.mktemp("spool"),
            decode_workers=1,
        )
        gateway = await stack.enter_async_context(running_gateway(settings))
        channel = await stack.enter_async_context(grpc.aio.insecure_channel(f"127.0.0.1:{gateway}"))
        yield Services(captioner, classifier, gateway, gateway_pb2_grpc.TaggingServiceStub(channel))


@pytest.fixture(scope="module")
async def result(services: Services) -> pb.TagResult:
    """What is found in the film."""
    return (await tag_video(services.stub, f"file://{FILM}", request_id="film")).result


async def test_a_film_of_a_rabbit_in_a_meadow_is_nature(result: pb.TagResult) -> None:
    assert "Nature" in [tag.label for tag in result.classification.tags]


async def test_every_tag_is_in_the_taxonomy_and_quotes_the_summary(result: pb.TagResult) -> None:
    confidences = [tag.confidence for tag in result.classification.tags]
    assert confidences == sorted(confidences, reverse=True)
    for tag in result.classification.tags:
        assert 0 <= tag.raw_confidence <= 1
        assert tag.evidence
        for evidence in tag.evidence:
            assert evidence.quote
            assert result.summary.text[evidence.start : evidence.end] == evidence.quote
    assert all(piece in result.summary.text for piece in result.classification.key_information)
    assert result.classification.reasoning


async def test_nothing_about_how_it_came_about_is_left_out(result: pb.TagResult) -> None:
    assert result.request_id == "film"
    caption, classification = result.summary.provenance, result.classification
    assert (caption.engine, classification.provenance.engine) == ("embedded", "embedded")
    for filled in (
        caption.model,
        caption.revision,
        caption.prompt_name,
        caption.prompt_digest,
        classification.provenance.model,
        classification.provenance.revision,
        classification.taxonomy.version,
        classification.taxonomy.digest,
        result.gateway_version,
    ):
        assert filled
    assert classification.taxonomy.id == "music-moods"
    assert caption.frame_count == len(result.manifest.frames) == result.manifest.requested_frames
    assert result.manifest.video.size_bytes == FILM.stat().st_size  # a test may wait
    assert 0 < result.manifest.coverage.covered_share <= 1
    stages = [result.timings.sampling, result.timings.captioning, result.timings.classifying]
    total = result.timings.total.ToNanoseconds()
    assert all(0 < stage.ToNanoseconds() <= total for stage in stages)


async def test_the_request_id_is_in_the_logs_of_all_three_services(services: Services, logs: LogLines) -> None:
    assert (await tag_video(services.stub, f"file://{FILM}", request_id="through-all")).result
    lines = await logs.wait_for("answered", count=4, request_id="through-all")
    names = sorted(line["method"].split(".")[-1] for line in lines)
    assert names == [
        "CaptionerService/Caption",
        "ClassifierService/Classify",
        "ClassifierService/Classify",
        "TaggingService/TagVideo",
    ]
    assert {line["code"] for line in lines} == {"OK"}


async def test_an_upload_of_the_same_film_finds_the_same(services: Services, result: pb.TagResult) -> None:
    data = FILM.read_bytes()  # a test may wait
    uploaded = (await tag_upload(services.stub, pieces(data, 256 * 1024))).result
    assert uploaded.summary.text == result.summary.text
    assert uploaded.classification.tags == result.classification.tags
    assert uploaded.manifest.frames == result.manifest.frames


class TestGrpcurl:
    """A stock client that knows nothing but the address."""

    async def ask(self, port: int, *asked: str, data: dict[str, Any] | None = None) -> str:
        options = ["-plaintext", "-max-time", "30", *(["-d", json.dumps(data)] if data is not None else [])]
        process = await asyncio.create_subprocess_exec(
            GRPCURL, *options, f"127.0.0.1:{port}", *asked, stdout=subprocess.PIPE, stderr=subprocess.PIPE
        )
        out, error = await process.communicate()
        assert process.returncode == 0, error.decode()
        return out.decode()

    async def test_it_lists_what_is_served(self, services: Services) -> None:
        assert set((await self.ask(services.gateway, "list")).split()) == {
            TAGGING,
            "grpc.health.v1.Health",
            "grpc.reflection.v1alpha.ServerReflection",
        }

    async def test_it_describes_the_service_and_its_messages(self, services: Services) -> None:
        service = await self.ask(services.gateway, "describe", TAGGING)
        assert "rpc TagVideo" in service
        message = await self.ask(services.gateway, "describe", "vidtomusictags.gateway.v1.TagEvent")
        assert ".google.rpc.Status error = 7;" in message

    @pytest.mark.parametrize("name", ["", "liveness", "readiness", TAGGING])
    async def test_it_checks_health_by_every_name(self, name: str, services: Services) -> None:
        reply = await self.ask(services.gateway, "grpc.health.v1.Health/Check", data={"service": name})
        assert json.loads(reply) == {"status": "SERVING"}

    async def test_it_asks_the_others_what_they_have(self, services: Services) -> None:
        model = await self.ask(services.captioner, "vidtomusictags.captioner.v1.CaptionerService/GetModel")
        assert json.loads(model)["engine"] == "embedded"
        method = "vidtomusictags.classifier.v1.ClassifierService/ListTaxonomies"
        listed = await self.ask(services.classifier, method)
        assert "music-moods" in [one["ref"]["id"] for one in json.loads(listed)["taxonomies"]]

    async def test_it_tags_a_film(self, services: Services, result: pb.TagResult) -> None:
        data = {"uri": f"file://{FILM}", "options": {"sampling": {"sampler": "notebook", "frames": 4}}}
        replies = await self.ask(services.gateway, f"{TAGGING}/TagVideo", data=data)
        decoder, events = json.JSONDecoder(), []
        while replies.strip():
            event, end = decoder.raw_decode(replies.lstrip())
            events.append(event["event"])
            replies = replies.lstrip()[end:]
        assert "accepted" in events[0]
        found = events[-1]["result"]
        assert len(found["manifest"]["frames"]) == 4
        assert found["classification"]["tags"]

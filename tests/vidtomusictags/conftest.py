"""Three services on loopback that say what a test tells them to and remember what they got."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import grpc
import pytest
from certificates import Authority, Files
from grpc_status import rpc_status

from vidtomusictags.captioner.v1 import captioner_pb2, captioner_pb2_grpc
from vidtomusictags.classifier.v1 import classifier_pb2, classifier_pb2_grpc
from vidtomusictags.gateway.v1 import gateway_pb2, gateway_pb2_grpc
from vidtomusictags.rpc.durations import to_duration
from vidtomusictags.rpc.failures import Failure
from vidtomusictags.rpc.status import to_status

SUMMARY = "A large rabbit wakes up in a sunny meadow and stretches. Birds sing."


def classification() -> classifier_pb2.Classification:
    return classifier_pb2.Classification(
        tags=[
            classifier_pb2.ScoredTag(
                id="happy",
                label="Happy",
                confidence=0.8,
                raw_confidence=0.7,
                evidence=[classifier_pb2.Evidence(start=29, end=41, quote="sunny meadow")],
                external={"id3": "TMOO", "house_db": "10417"},
            ),
            classifier_pb2.ScoredTag(id="calm", label="Calm", facet="mood", confidence=0.55, raw_confidence=0.5),
        ],
        key_information=["A large rabbit wakes up"],
        reasoning="The meadow is sunny.",
        taxonomy=classifier_pb2.TaxonomyRef(id="music-moods", version="1.0.0", digest="ab" * 32),
        provenance=classifier_pb2.ClassificationProvenance(engine="fake", model="fake-classifier", revision="1"),
        usage=classifier_pb2.ClassificationUsage(attempts=1, elapsed=to_duration(0.25)),
        warnings=["The summary was short."],
    )


def summary() -> captioner_pb2.Summary:
    return captioner_pb2.Summary(
        text=SUMMARY,
        finish_reason=captioner_pb2.FINISH_REASON_STOP,
        provenance=captioner_pb2.CaptionProvenance(
            engine="fake",
            model="fake-captioner",
            revision="1",
            prompt_name="concise",
            prompt_version="1",
            frame_count=2,
        ),
        timings=captioner_pb2.CaptionTimings(generate=to_duration(1.5), batch_size=1),
    )


def result(request_id: str = "") -> gateway_pb2.TagResult:
    video = gateway_pb2.VideoFacts(container="mov", codec="h264", time_base="1/1000", duration=to_duration(2.0))
    frames = [
        gateway_pb2.SampledFrame(
            index=index,
            pts_ticks=1000 * index,
            pts=to_duration(index),
            time=to_duration(index),
            target_time=to_duration(index + 0.25),
            reason=f"middle of span {index + 1} of 2",
        )
        for index in range(2)
    ]
    return gateway_pb2.TagResult(
        request_id=request_id or "made-by-the-gateway",
        summary=summary(),
        classification=classification(),
        manifest=gateway_pb2.FrameManifest(
            sampler="uniform",
            requested_frames=3,
            video=video,
            frames=frames,
            coverage=gateway_pb2.Coverage(covered_share=0.9, longest_gap=to_duration(0.75)),
            warnings=[gateway_pb2.ManifestWarning(code="fewer_frames", message="Only 2 frames are there.")],
        ),
        timings=gateway_pb2.StageTimings(receiving=to_duration(0.1), total=to_duration(2.5)),
        gateway_version="9.9.9",
    )


@dataclass
class Script:
    """What the fakes do, and what was asked of them."""

    refuse: Failure | None = None
    """Instead of `accepted`."""
    turn_away: bool = False
    """Ends calls as gRPC itself does beyond its own limits: CANCELLED and no word more."""
    break_off: Failure | None = None
    """Ends uploads after `accepted`, unread and by the status alone, as the contract does not have it."""
    fail: Failure | None = None
    """In-band, in the middle of the work."""
    fail_named: bytes = b""
    """Fails uploads with these bytes only."""
    silent: bool = False
    """Ends calls without a result."""
    hang: bool = False
    """Never answers."""
    max_upload_bytes: int = 1 << 30
    requests: list[Any] = field(default_factory=list)
    uploads: list[bytes] = field(default_factory=list)
    counted: list[int] = field(default_factory=list)


class FakeGateway(gateway_pb2_grpc.TaggingServiceServicer):
    def __init__(self, script: Script) -> None:
        self._script = script

    def TagVideo(self, request: gateway_pb2.TagVideoRequest, context: Any) -> Iterator[gateway_pb2.TagVideoResponse]:
        self._script.requests.append(request)
        _refuse(self._script, context)
        yield gateway_pb2.TagVideoResponse(event=self._accepted())
        for event in self._work(request.request_id, request.options, context):
            yield gateway_pb2.TagVideoResponse(event=event)

    def TagUpload(
        self, request_iterator: Iterator[gateway_pb2.TagUploadRequest], context: Any
    ) -> Iterator[gateway_pb2.TagUploadResponse]:
        config = next(request_iterator).config
        self._script.requests.append(config)
        _refuse(self._script, context)
        yield gateway_pb2.TagUploadResponse(event=self._accepted())
        if self._script.break_off is not None:
            context.abort_with_status(rpc_status.to_status(to_status(self._script.break_off, domain="fake")))
        data = b""
        for request in request_iterator:
            if request.WhichOneof("request") == "end_of_input":
                self._script.counted.append(request.end_of_input.size_bytes)
                break
            data += request.chunk.data
        self._script.uploads.append(data)
        for event in self._work(config.request_id, config.options, context, data):
            yield gateway_pb2.TagUploadResponse(event=event)

    def _accepted(self) -> gateway_pb2.TagEvent:
        accepted = gateway_pb2.TagAccepted(
            request_id="x", max_chunk_bytes=1 << 20, max_upload_bytes=self._script.max_upload_bytes
        )
        return gateway_pb2.TagEvent(sequence=1, accepted=accepted)

    def _work(
        self, request_id: str, options: gateway_pb2.TagOptions, context: Any, data: bytes = b""
    ) -> Iterator[gateway_pb2.TagEvent]:
        progress = gateway_pb2.Progress(stage=gateway_pb2.STAGE_SAMPLING, done=1, total=2, percent=30)
        yield gateway_pb2.TagEvent(sequence=2, progress=progress)
        if self._script.fail and self._script.fail_named in data:
            status = to_status(self._script.fail, domain="fake")
            yield gateway_pb2.TagEvent(sequence=3, error=status)
            context.abort_with_status(rpc_status.to_status(status))
        if options.text_deltas:
            for piece in (SUMMARY[:10], SUMMARY[10:]):
                yield gateway_pb2.TagEvent(sequence=3, text_delta=captioner_pb2.TextDelta(text=piece))
        if not self._script.silent:
            yield gateway_pb2.TagEvent(sequence=4, result=result(request_id))


class FakeCaptioner(captioner_pb2_grpc.CaptionerServiceServicer):
    def __init__(self, script: Script) -> None:
        self._script = script

    def GetModel(self, request: captioner_pb2.GetModelRequest, context: Any) -> captioner_pb2.GetModelResponse:
        return captioner_pb2.GetModelResponse(
            engine="fake", model="fake-captioner", frame_short_side=64, default_frames=4, max_frames=16
        )

    def CaptionClip(self, request: captioner_pb2.CaptionClipRequest, context: Any) -> captioner_pb2.CaptionClipResponse:
        return captioner_pb2.CaptionClipResponse(summary=summary())

    def Caption(
        self, request_iterator: Iterator[captioner_pb2.CaptionRequest], context: Any
    ) -> Iterator[captioner_pb2.CaptionResponse]:
        config = next(request_iterator).config
        _refuse(self._script, context)
        yield captioner_pb2.CaptionResponse(sequence=1, accepted=captioner_pb2.CaptionAccepted(max_frames=16))
        self._script.requests.append(config)
        for request in request_iterator:
            self._script.requests.append(request)
        if self._script.fail:
            status = to_status(self._script.fail, domain="fake")
            yield captioner_pb2.CaptionResponse(sequence=2, error=status)
            context.abort_with_status(rpc_status.to_status(status))
        if config.text_deltas:
            yield captioner_pb2.CaptionResponse(sequence=2, text_delta=captioner_pb2.TextDelta(text=SUMMARY))
        if not self._script.silent:
            yield captioner_pb2.CaptionResponse(sequence=3, summary=summary())
        yield captioner_pb2.CaptionResponse(sequence=4, completed=captioner_pb2.CaptionCompleted())


class FakeClassifier(classifier_pb2_grpc.ClassifierServiceServicer):
    def __init__(self, script: Script) -> None:
        self._script = script

    def Classify(self, request: classifier_pb2.ClassifyRequest, context: Any) -> classifier_pb2.ClassifyResponse:
        self._script.requests.append(request)
        _refuse(self._script, context)
        return classifier_pb2.ClassifyResponse(request_id="x", classification=classification())

    def ListTaxonomies(
        self, request: classifier_pb2.ListTaxonomiesRequest, context: Any
    ) -> classifier_pb2.ListTaxonomiesResponse:
        entry = classifier_pb2.TaxonomySummary(
            ref=classifier_pb2.TaxonomyRef(id="music-moods", version="1.0.0", digest="ab" * 32),
            title="Music moods",
            language="en",
            active_tags=2,
            is_default=True,
        )
        return classifier_pb2.ListTaxonomiesResponse(taxonomies=[entry])

    def GetTaxonomy(
        self, request: classifier_pb2.GetTaxonomyRequest, context: Any
    ) -> classifier_pb2.GetTaxonomyResponse:
        _refuse(self._script, context)
        tags = [
            classifier_pb2.Tag(id="happy", label="Happy", description="Light and warm."),
            classifier_pb2.Tag(id="calm", label="Calm"),
        ]
        return classifier_pb2.GetTaxonomyResponse(
            taxonomy=classifier_pb2.Taxonomy(id=request.taxonomy_id or "music-moods", version="1.0.0", tags=tags)
        )


def _refuse(script: Script, context: Any) -> None:
    if script.hang:
        over = threading.Event()
        context.add_callback(over.set)
        over.wait()
    if script.refuse:
        context.abort_with_status(rpc_status.to_status(to_status(script.refuse, domain="fake")))
    if script.turn_away:
        context.abort(grpc.StatusCode.CANCELLED, "CANCELLED")


@pytest.fixture
def script() -> Script:
    return Script()


@contextmanager
def serving(script: Script, credentials: grpc.ServerCredentials | None = None, interceptors: Any = ()) -> Iterator[str]:
    """The address at which all three fakes answer, for the length of the block; in TLS with `credentials`."""
    with ThreadPoolExecutor(8) as threads:
        server = grpc.server(threads, interceptors=interceptors)
        gateway_pb2_grpc.add_TaggingServiceServicer_to_server(FakeGateway(script), server)
        captioner_pb2_grpc.add_CaptionerServiceServicer_to_server(FakeCaptioner(script), server)
        classifier_pb2_grpc.add_ClassifierServiceServicer_to_server(FakeClassifier(script), server)
        address = "127.0.0.1:0"
        port = server.add_secure_port(address, credentials) if credentials else server.add_insecure_port(address)
        server.start()
        try:
            yield f"127.0.0.1:{port}"
        finally:
            server.stop(0).wait()


@pytest.fixture
def fakes(script: Script) -> Iterator[str]:
    """The address at which all three fakes answer."""
    with serving(script) as address:
        yield address


class Shown(grpc.ServerInterceptor):
    """What callers of a guarded fake showed: their tokens, in the order of calls."""

    def __init__(self) -> None:
        self.tokens: list[Any] = []

    def intercept_service(self, continuation: Any, details: Any) -> Any:
        self.tokens.append(dict(details.invocation_metadata).get("authorization"))
        return continuation(details)


@dataclass(frozen=True)
class Guarded:
    """Fakes that want a certificate of `authority`, and the files of a client that has one and a token."""

    address: str
    authority: Authority
    shown: Shown
    client: Files
    token_file: Path


@pytest.fixture
def guarded(script: Script, tmp_path: Path) -> Iterator[Guarded]:
    authority, shown, token_file = Authority(tmp_path / "authority"), Shown(), tmp_path / "token"
    server = authority.issue("127.0.0.1")
    pair = (server.key.read_bytes(), server.certificate.read_bytes())
    token_file.write_text("first\n")
    credentials = grpc.ssl_server_credentials([pair], authority.pem, require_client_auth=True)
    with serving(script, credentials, [shown]) as address:
        yield Guarded(address, authority, shown, authority.issue("client.test", name="client"), token_file)


@pytest.fixture
def nobody() -> str:
    """An address at which nothing answers: port 1 is reserved and never listened on here."""
    return "127.0.0.1:1"

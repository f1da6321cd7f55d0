"""A captioner and a classifier of few words: real servers of the real contracts that do what a test tells them to."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from functools import partial
from typing import Any

from google.rpc import status_pb2

from vidtomusictags.captioner.v1 import captioner_pb2, captioner_pb2_grpc
from vidtomusictags.classifier.v1 import classifier_pb2, classifier_pb2_grpc
from vidtomusictags.media.v1 import media_pb2
from vidtomusictags.rpc.conversation import Requests, telling_failures
from vidtomusictags.rpc.failures import InvalidRequest, UnknownPrompt, UnknownTag, UnknownTaxonomy
from vidtomusictags.rpc.logs import take_request_id
from vidtomusictags.rpc.server import Host, Service, listening
from vidtomusictags.rpc.settings import HostSettings

CAPTIONER = captioner_pb2.DESCRIPTOR.services_by_name["CaptionerService"]
CLASSIFIER = classifier_pb2.DESCRIPTOR.services_by_name["ClassifierService"]
_CAPTIONER_PERMISSIONS = {"Caption": "caption", "CaptionClip": "caption", "GetModel": "model"}
Script = Callable[[], Awaitable[None]]


async def nothing() -> None:
    """The script of a server that does its work at once."""


def raising(failure: Exception) -> Script:
    """The script of a server that fails."""

    async def script() -> None:
        raise failure

    return script


class FakeCaptioner(captioner_pb2_grpc.CaptionerServiceServicer):
    """Says how many frames it saw, or what `pieces` says.

    on_model and on_check run before it answers, on_config and on_frames before it accepts and before it describes,
    on_second_piece when it has begun to tell.
    """

    def __init__(self) -> None:
        self.forget()

    def forget(self) -> None:
        """As it was at first."""
        self.on_model: Script = nothing
        self.on_check: Script = nothing
        self.on_config: Script = nothing
        self.on_frames: Script = nothing
        self.on_second_piece: Script = nothing
        self.pieces: list[str] = []
        self.describing = asyncio.Event()
        self.configs: list[captioner_pb2.CaptionConfig] = []
        self.frames: list[media_pb2.Frame] = []
        self.shown: list[dict[str, Any]] = []

    async def CaptionClip(
        self, request: captioner_pb2.CaptionClipRequest, context: Any
    ) -> captioner_pb2.CaptionClipResponse:
        assert request.validate_only, "a gateway streams"
        await self.on_check()
        if request.config.prompt.name not in ("", "concise", "scene"):
            raise UnknownPrompt("There is concise and scene.", field="prompt.name")
        if request.config.generation.temperature > 2:
            raise InvalidRequest("temperature must be 0 to 2.", field="generation.temperature")
        return captioner_pb2.CaptionClipResponse()

    async def GetModel(self, request: Any, context: Any) -> captioner_pb2.GetModelResponse:
        await self.on_model()
        return captioner_pb2.GetModelResponse(
            model="fake",
            encodings=[media_pb2.FRAME_ENCODING_JPEG],
            frame_short_side=48,
            default_frames=4,
            max_frames=16,
            prompts=[captioner_pb2.PromptTemplate(name=name) for name in ("concise", "scene")],
        )

    def Caption(self, request_iterator: AsyncIterator[captioner_pb2.CaptionRequest], context: Any) -> Any:
        self.shown.append(dict(context.invocation_metadata()))
        requests = Requests(request_iterator)
        events = self._events(requests)
        return telling_failures(events, error_event=_error, domain=CAPTIONER.full_name, requests=requests)

    async def _events(
        self, requests: Requests[captioner_pb2.CaptionRequest]
    ) -> AsyncGenerator[captioner_pb2.CaptionResponse, None]:
        config = (await requests.config(within_seconds=5)).config
        take_request_id(config.request_id)
        self.configs.append(config)
        await self.on_config()
        yield captioner_pb2.CaptionResponse(sequence=1, accepted=captioner_pb2.CaptionAccepted(model="fake"))
        frames: list[media_pb2.Frame] = []
        async for message in requests.input(idle_seconds=5):
            frames += message.frames.frames
        self.frames = frames
        self.describing.set()
        await self.on_frames()
        pieces = self.pieces or [f"{len(frames)} frames ", "of a quiet forest."]
        for position, piece in enumerate(pieces if config.text_deltas else []):
            if position == 1:
                await self.on_second_piece()
            delta = captioner_pb2.TextDelta(text=piece)
            yield captioner_pb2.CaptionResponse(sequence=2 + position, text_delta=delta)
        yield captioner_pb2.CaptionResponse(summary=captioner_pb2.Summary(text="".join(pieces)))
        yield captioner_pb2.CaptionResponse(completed=captioner_pb2.CaptionCompleted(frame_count=len(frames)))


def _error(sequence: int, status: status_pb2.Status) -> captioner_pb2.CaptionResponse:
    return captioner_pb2.CaptionResponse(sequence=sequence, error=status)


class FakeClassifier(classifier_pb2_grpc.ClassifierServiceServicer):
    """Finds Nature in everything. Knows the taxonomy `music-moods` with the tag `nature` alone."""

    def __init__(self) -> None:
        self.forget()

    def forget(self) -> None:
        """As it was at first."""
        self.on_summary: Script = nothing
        self.checked = 0
        self.summaries: list[str] = []

    async def ListTaxonomies(self, request: Any, context: Any) -> Any:
        raise AssertionError("a gateway classifies")

    async def GetTaxonomy(self, request: Any, context: Any) -> Any:
        raise AssertionError("a gateway classifies")

    async def Classify(self, request: classifier_pb2.ClassifyRequest, context: Any) -> classifier_pb2.ClassifyResponse:
        take_request_id(request.request_id)
        if request.taxonomy_id not in ("", "music-moods"):
            raise UnknownTaxonomy("There is only music-moods.", field="taxonomy_id")
        if set(request.options.include) - {"nature"}:
            raise UnknownTag("There is only nature.", field="options.include")
        if request.validate_only:
            self.checked += 1
            return classifier_pb2.ClassifyResponse()
        self.summaries.append(request.summary)
        await self.on_summary()
        start = request.summary.index("forest")
        evidence = classifier_pb2.Evidence(start=start, end=start + 6, quote="forest")
        tag = classifier_pb2.ScoredTag(id="nature", label="Nature", confidence=0.9, evidence=[evidence])
        return classifier_pb2.ClassifyResponse(classification=classifier_pb2.Classification(tags=[tag]))


@asynccontextmanager
async def serving_captioner(fake: FakeCaptioner, **settings: Any) -> AsyncIterator[int]:
    """The fake on a free port of loopback, which is what the block is given."""
    add = partial(captioner_pb2_grpc.add_CaptionerServiceServicer_to_server, fake)
    async with _serving(Service(CAPTIONER, add, permissions=_CAPTIONER_PERMISSIONS), settings) as host:
        yield host.port


@asynccontextmanager
async def serving_classifier(fake: FakeClassifier, **settings: Any) -> AsyncIterator[int]:
    """The same for the classifier."""
    add = partial(classifier_pb2_grpc.add_ClassifierServiceServicer_to_server, fake)
    async with _serving(Service(CLASSIFIER, add, permissions={"Classify": "classify"}), settings) as host:
        yield host.port


@asynccontextmanager
async def _serving(service: Service, settings: dict[str, Any]) -> AsyncIterator[Host]:
    defaults: dict[str, Any] = {"listen": "127.0.0.1:0", "drain_announce_seconds": 0.0, "drain_grace_seconds": 1.0}
    async with listening(HostSettings(**defaults | settings), service) as host:
        await host.announce_ready()
        yield host

"""A server of the captioner's contract that does what a test tells it to, hosted as the real ones are."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import grpc
from google.rpc import status_pb2

from vidtomusictags.captioner.v1 import captioner_pb2 as pb
from vidtomusictags.captioner.v1 import captioner_pb2_grpc
from vidtomusictags.rpc.conversation import Requests, telling_failures
from vidtomusictags.rpc.failures import Failure, InputCountMismatch
from vidtomusictags.rpc.logs import take_request_id
from vidtomusictags.rpc.observing import observing
from vidtomusictags.rpc.server import Host, Service, listening
from vidtomusictags.rpc.settings import HostSettings
from vidtomusictags.rpc.status import from_rpc_error

SERVICE = pb.DESCRIPTOR.services_by_name["CaptionerService"]
NAME = SERVICE.full_name
PERMISSIONS = {"Caption": "caption", "CaptionClip": "caption", "GetModel": "model"}


async def nothing() -> None:
    """The script of a call that does nothing."""


class Scripted(captioner_pb2_grpc.CaptionerServiceServicer):
    """CaptionClip awaits `on_clip`; Caption holds the conversation and awaits `on_frames` for every message."""

    def __init__(self) -> None:
        self.on_clip: Callable[[], Awaitable[None]] = nothing
        self.on_begin: Callable[[], Awaitable[None]] = nothing
        self.on_frames: Callable[[int], Awaitable[None]] = lambda count: nothing()
        self.on_end: Callable[[], Awaitable[None]] = nothing
        self.check_room: Callable[[], None] = lambda: None
        self.first_message_seconds = 60.0
        self.idle_seconds = 60.0
        self.begun = asyncio.Event()
        self.ended = 0
        self.tokens: list[str | None] = []
        self.certificates: list[str] = []

    async def CaptionClip(self, request: pb.CaptionClipRequest, context: Any) -> pb.CaptionClipResponse:
        self.tokens.append(dict(context.invocation_metadata()).get("authorization"))
        shown = context.auth_context().get("x509_subject_alternative_name", [b""])
        self.certificates.append(shown[0].decode())
        request_id = take_request_id(request.config.request_id)
        self.begun.set()
        try:
            await self.on_clip()
        finally:
            self.ended += 1
        return pb.CaptionClipResponse(request_id=request_id)

    async def GetModel(self, request: pb.GetModelRequest, context: Any) -> pb.GetModelResponse:
        return pb.GetModelResponse(model="scripted")

    def Caption(self, request_iterator: AsyncIterator[pb.CaptionRequest], context: Any) -> Any:
        requests = Requests(request_iterator)
        return telling_failures(self._events(requests), error_event=_error, domain=NAME, requests=requests)

    async def _events(self, requests: Requests[pb.CaptionRequest]) -> AsyncGenerator[pb.CaptionResponse, None]:
        try:
            config = (await requests.config(within_seconds=self.first_message_seconds)).config
            take_request_id(config.request_id)
            await self.on_begin()
            yield pb.CaptionResponse(sequence=1, accepted=pb.CaptionAccepted())
            self.begun.set()
            count = 0
            async for message in requests.input(idle_seconds=self.idle_seconds):
                if message.WhichOneof("request") == "end_of_input":
                    if message.end_of_input.frame_count != count:
                        raise InputCountMismatch("The counts differ; send everything again.")
                else:
                    count += len(message.frames.frames)
                    await self.on_frames(count)
            await self.on_end()
            requests.check_end()
            yield pb.CaptionResponse(sequence=2, completed=pb.CaptionCompleted(frame_count=count))
        finally:
            self.ended += 1


def _error(sequence: int, status: status_pb2.Status) -> pb.CaptionResponse:
    return pb.CaptionResponse(sequence=sequence, error=status)


@dataclass
class Hosted:
    """A scripted server that listens, and a plain channel to it."""

    script: Scripted
    host: Host
    channel: grpc.aio.Channel
    stub: Any = field(init=False)

    def __post_init__(self) -> None:
        self.stub = captioner_pb2_grpc.CaptionerServiceStub(self.channel)

    @property
    def address(self) -> str:
        return f"127.0.0.1:{self.host.port}"


@asynccontextmanager
async def hosting(
    *, ready: bool = True, permissions: Mapping[str, str] | None = None, **settings: Any
) -> AsyncIterator[Hosted]:
    """A scripted server for the length of the block. settings: of the host. ready: False keeps it loading."""
    script = Scripted()
    service = Service(
        SERVICE,
        partial(captioner_pb2_grpc.add_CaptionerServiceServicer_to_server, script),
        uncounted=["GetModel"],
        permissions=PERMISSIONS if permissions is None else permissions,
        check_room=lambda: script.check_room(),  # noqa: PLW0108  # a test replaces it later
    )
    defaults: dict[str, Any] = {"listen": "127.0.0.1:0", "drain_announce_seconds": 0.0, "drain_grace_seconds": 5.0}
    host_settings = HostSettings(**defaults | settings)
    async with observing(host_settings, "scripted") as telemetry, listening(host_settings, service, telemetry) as host:
        if ready:
            await host.announce_ready()
        async with grpc.aio.insecure_channel(f"127.0.0.1:{host.port}") as channel:
            yield Hosted(script, host, channel)


def raising(error: Exception) -> Callable[..., Awaitable[None]]:
    """A script that fails."""

    async def script(*_: object) -> None:
        raise error

    return script


def failure_of(error: grpc.RpcError) -> Failure:
    """What a call failed with, as our clients read it."""
    return from_rpc_error(error)

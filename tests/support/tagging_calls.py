"""Calls of the gateway, read to their end."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

import grpc

from vidtomusictags.gateway.v1 import gateway_pb2 as pb
from vidtomusictags.rpc.failures import Failure
from vidtomusictags.rpc.status import from_rpc_error, from_status


@dataclass
class Outcome:
    """What a caller heard, in order, and how the call ended."""

    events: list[pb.TagEvent] = field(default_factory=list)
    status: Failure | None = None

    @property
    def kinds(self) -> list[str]:
        """The names of the events, repetitions left out."""
        names = [str(event.WhichOneof("event")) for event in self.events]
        return [name for position, name in enumerate(names) if names[position - 1 : position] != [name]]

    @property
    def told(self) -> Failure | None:
        """The failure that was told in-band."""
        return from_status(self.events[-1].error) if self.events and self.events[-1].HasField("error") else None

    @property
    def failure(self) -> Failure:
        """How the call failed; in-band and by status alike where it had been accepted."""
        assert self.status is not None, f"the call succeeded: {self.kinds}"
        if self.events:
            assert self.told is not None
            assert (self.told.reason, self.told.code) == (self.status.reason, self.status.code)
        return self.status

    @property
    def result(self) -> pb.TagResult:
        """What was found."""
        assert self.status is None, self.status
        return self.events[-1].result

    @property
    def progress(self) -> list[pb.Progress]:
        return [event.progress for event in self.events if event.HasField("progress")]


async def tag_video(
    stub: Any,
    uri: str,
    options: pb.TagOptions | None = None,
    request_id: str = "",
    metadata: tuple[tuple[str, str], ...] = (),
    timeout_seconds: float = 30,
) -> Outcome:
    """A whole TagVideo call."""
    request = pb.TagVideoRequest(request_id=request_id, uri=uri, options=options)
    call = stub.TagVideo(request, timeout=timeout_seconds, metadata=metadata)
    return await hear(call, Outcome())


async def hear(call: Any, outcome: Outcome, stop: asyncio.Event | None = None) -> Outcome:
    """Reads a call to its end. stop: set at the first failure or at the end."""
    try:
        while (reply := await call.read()) is not grpc.aio.EOF:
            outcome.events.append(reply.event)
            if stop is not None and reply.event.HasField("error"):
                stop.set()
    except grpc.aio.AioRpcError as error:
        outcome.status = from_rpc_error(error)
    finally:
        if stop is not None:
            stop.set()
        call.cancel()
    return outcome


async def tag_upload(
    stub: Any,
    chunks: Iterable[bytes],
    *,
    config: pb.UploadConfig | None = None,
    counted: int | None = None,
    end: bool = True,
) -> Outcome:
    """A whole TagUpload call. counted: what `end_of_input` says, if not the truth. end: False leaves it out."""
    call, outcome, stop = stub.TagUpload(timeout=30), Outcome(), asyncio.Event()
    try:
        await call.write(pb.TagUploadRequest(config=config or pb.UploadConfig()))
        first = await call.read()
    except grpc.aio.AioRpcError as error:
        call.cancel()
        return Outcome(status=from_rpc_error(error))
    outcome.events.append(first.event)
    hearing = asyncio.create_task(hear(call, outcome, stop))
    size = 0
    for chunk in chunks:
        if stop.is_set():
            break
        await call.write(pb.TagUploadRequest(chunk=pb.UploadChunk(data=chunk)))
        size += len(chunk)
    if end and not stop.is_set():
        size = size if counted is None else counted
        await call.write(pb.TagUploadRequest(end_of_input=pb.EndOfUpload(size_bytes=size)))
    await call.done_writing()
    return await hearing


def pieces(data: bytes, size: int = 4096) -> list[bytes]:
    """The chunks of a file."""
    return [data[start : start + size] for start in range(0, len(data), size)]

"""The rules that both streaming calls share: config first, accepted, input until its counted end, failures in-band."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Callable
from contextlib import aclosing
from typing import Generic, TypeVar

from google.protobuf.message import Message
from google.rpc import status_pb2

from vidtomusictags.rpc import failures
from vidtomusictags.rpc.deadlines import leaving_time_to_tell
from vidtomusictags.rpc.failures import Failure
from vidtomusictags.rpc.layers import as_failure, let_cancellation_land
from vidtomusictags.rpc.status import to_status

RequestT = TypeVar("RequestT", bound=Message)
"""A request message whose oneof `request` holds `config`, some input, or `end_of_input`."""
EventT = TypeVar("EventT")

_AHEAD = 2
"""Messages read before they are asked for; gRPC itself holds half a MiB more, or one message."""
HALF_CLOSE_SECONDS = 2.0
"""How long a failed call waits for its caller to stop writing; without that the caller may see INTERNAL instead."""


class Requests(Generic[RequestT]):
    """The caller's side of a conversation, read by one task that can be told to throw the rest away.

    A pending read of grpc.aio must not be cancelled and begun anew; so reading never stops before the stream does.
    """

    def __init__(self, stream: AsyncIterator[RequestT]) -> None:
        self._queue: asyncio.Queue[RequestT | Failure | None] = asyncio.Queue(_AHEAD)
        self._discarding = False
        self._task = asyncio.create_task(self._read(stream))

    async def config(self, *, within_seconds: float) -> RequestT:
        """The first message, which must be the config. Raises ConfigMissing."""
        first = await self._next(within_seconds)
        if first is None:
            await let_cancellation_land()
        if first is None or first.WhichOneof("request") != "config":
            raise failures.ConfigMissing(
                f"The first message must be `config`, sent within {within_seconds:.0f} s; wait for `accepted` then."
            )
        return first

    async def input(self, *, idle_seconds: float) -> AsyncIterator[RequestT]:
        """The messages after the config, `end_of_input` included and last.

        Raises ConfigRepeated, InputTruncated, or DeadlineExceeded after `idle_seconds` of silence.
        """
        while (message := await self._next(idle_seconds)) is not None:
            kind = message.WhichOneof("request")
            if kind == "config":
                raise failures.ConfigRepeated("`config` may be sent once, as the first message.")
            if kind is None:
                raise failures.InvalidRequest("A message of the stream is empty.", field="request")
            yield message
            if kind == "end_of_input":
                return
        raise failures.InputTruncated("The stream ended without `end_of_input`; send everything again.")

    def check_end(self) -> None:
        """Raises InputAfterEnd if anything has followed `end_of_input` by now."""
        if not self._queue.empty() and self._queue.get_nowait() is not None:
            raise failures.InputAfterEnd("Nothing may follow `end_of_input`; send it last, then half-close.")

    async def discard(self) -> None:
        """Throws away what still comes, until the caller half-closes or HALF_CLOSE_SECONDS have passed."""
        self._discarding = True
        while not self._queue.empty():
            self._queue.get_nowait()
        await asyncio.wait({self._task}, timeout=HALF_CLOSE_SECONDS)

    def close(self) -> None:
        """Stops reading; the call is over."""
        self._task.cancel()

    async def _next(self, within_seconds: float) -> RequestT | None:
        try:
            async with asyncio.timeout(within_seconds):
                message = await self._queue.get()
        except TimeoutError:
            raise failures.DeadlineExceeded(f"Nothing was sent for {within_seconds:.0f} s.") from None
        if isinstance(message, Failure):
            raise message
        return message

    async def _read(self, stream: AsyncIterator[RequestT]) -> None:
        messages = aiter(stream)
        coming: RequestT | Failure | None = None
        while True:
            try:
                coming = await anext(messages)
            except StopAsyncIteration:
                break
            except (
                Failure
            ) as failure:  # such as of a caller who sends too much; what still comes is read, and thrown away
                coming = failure
            if not self._discarding:
                await self._queue.put(coming)
        if not self._discarding:
            await self._queue.put(None)


async def telling_failures(
    events: AsyncGenerator[EventT, None],
    *,
    error_event: Callable[[int, status_pb2.Status], EventT],
    domain: str,
    requests: Requests[RequestT] | None = None,
) -> AsyncGenerator[EventT, None]:
    """The events of a call; a failure after the first is told as a last event, and then raised for the call's status.

    error_event: makes that event from its number (events count from 1) and the Status.
    requests: the caller's side, where the caller may still be writing.
    """
    told = 0
    try:
        async with leaving_time_to_tell(), aclosing(events):
            async for event in events:
                yield event
                told += 1
    except Exception as error:
        failure = as_failure(error)
        if told:
            yield error_event(told + 1, to_status(failure, domain=domain))
            if requests is not None:
                await requests.discard()
        raise failure from None
    finally:
        if requests is not None:
            requests.close()

"""What surrounds every call: context managers, the first outermost, around handlers of all four arities."""

from __future__ import annotations

import asyncio
import time
import traceback
import uuid
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import AbstractAsyncContextManager, AsyncExitStack, aclosing, asynccontextmanager
from functools import partial
from typing import Any

import grpc
import structlog

from vidtomusictags.rpc.call_metrics import CallMeter
from vidtomusictags.rpc.failures import DeadlineExceeded, Failure, InvalidRequest
from vidtomusictags.rpc.log_ration import Ration
from vidtomusictags.rpc.logs import begin_call
from vidtomusictags.rpc.status import pushback, to_status
from vidtomusictags.rpc.trace_context import read_headers
from vidtomusictags.rpc.tracing import Tracer

log = structlog.get_logger()

DETAILS = "grpc-status-details-bin"
"""Trailing metadata that carries google.rpc.Status, as grpc_status reads it."""

_REQUEST_SECONDS = 30.0
"""How long the one request of a unary call may take to arrive, since the call holds a slot meanwhile."""

_SHED_LINES = 20
"""A second."""

_CANCELLATION_SECONDS = 0.05
"""Waited in vain only for callers that break the contract."""

Layer = Callable[[str, Any], AbstractAsyncContextManager[None]]
"""Given the full method name and the ServicerContext, a block that the call runs in."""


class Layers(grpc.aio.ServerInterceptor):
    """Runs every call of our services inside `layers`, and reflection inside `reflecting`; health stays as it is.

    Whatever its arity, a call is handled as a stream in both directions: grpc.aio reads the request of a unary one
    before it asks the handler, and so before a layer could refuse it. arriving: told the size in bytes of each message
    of a caller, once the layers have let the call in; what it raises ends the call. replying: told of each message of
    ours, before it leaves. passing: told the method of every message of ours or of a caller, and whether it was
    `received` or `sent`; None: nobody counts them.
    """

    def __init__(
        self,
        layers: Sequence[Layer],
        *,
        reflecting: Sequence[Layer] = (),
        arriving: Callable[[int], None] | None = None,
        replying: Callable[[], None] | None = None,
        passing: Callable[[str, str], None] | None = None,
    ) -> None:
        self._layers = tuple(layers)
        self._reflecting = tuple(reflecting)
        self._arriving = arriving
        self._replying = replying
        self._passing = passing
        self._handlers: dict[str, grpc.RpcMethodHandler[Any, Any]] = {}

    async def intercept_service(
        self,
        continuation: Callable[[grpc.HandlerCallDetails], Awaitable[grpc.RpcMethodHandler[Any, Any] | None]],
        handler_call_details: grpc.HandlerCallDetails,
    ) -> grpc.RpcMethodHandler[Any, Any] | None:
        method: str = handler_call_details.method
        if (known := self._handlers.get(method)) is not None:
            return known
        handler = await continuation(handler_call_details)
        if handler is None or method.startswith("/grpc.health."):
            return handler
        layers = self._reflecting if method.startswith("/grpc.") else self._layers
        self._handlers[method] = grpc.stream_stream_rpc_method_handler(
            self._handling(method, handler, layers), handler.request_deserializer, handler.response_serializer
        )
        return self._handlers[method]

    def _handling(self, method: str, handler: grpc.RpcMethodHandler[Any, Any], layers: Sequence[Layer]) -> Any:
        passing = partial(self._passing, method) if self._passing and layers is self._layers else None
        inner: Any = handler.stream_stream or handler.stream_unary or handler.unary_stream or handler.unary_unary

        async def call(stream: AsyncIterator[Any], context: Any) -> AsyncIterator[Any]:
            async with AsyncExitStack() as stack:
                for layer in layers:
                    await stack.enter_async_context(layer(method, context))
                requests = stream if self._arriving is None else _Counted(stream, self._arriving)
                requests = requests if passing is None else _Passing(requests, passing)
                argument = requests if handler.request_streaming else await _only(requests)
                if handler.response_streaming:
                    # gRPC does not close handler generators (grpc/grpc#42295), so the inner one is closed here.
                    responses = await stack.enter_async_context(aclosing(inner(argument, context)))
                    async for response in responses:
                        if self._replying is not None:
                            self._replying()
                        if passing is not None:
                            passing("sent")
                        yield response
                else:
                    response = await inner(argument, context)
                    if passing is not None:
                        passing("sent")
                    yield response

        return call


class _Counted:
    """The messages of a caller. Where `arriving` refuses one, that is raised, and the stream can still be read."""

    def __init__(self, messages: AsyncIterator[Any], arriving: Callable[[int], None]) -> None:
        self._messages = aiter(messages)
        self._arriving = arriving

    def __aiter__(self) -> AsyncIterator[Any]:
        return self

    async def __anext__(self) -> Any:
        message = await anext(self._messages)
        self._arriving(message.ByteSize())
        return message


class _Passing:
    """The messages of a caller, each told of."""

    def __init__(self, messages: AsyncIterator[Any], passing: Callable[[str], None]) -> None:
        self._messages = aiter(messages)
        self._passing = passing

    def __aiter__(self) -> AsyncIterator[Any]:
        return self

    async def __anext__(self) -> Any:
        message = await anext(self._messages)
        self._passing("received")
        return message


async def _only(requests: AsyncIterator[Any]) -> Any:
    """The request of a unary call. Raises InvalidRequest or DeadlineExceeded where there is none."""
    try:
        async with asyncio.timeout(_REQUEST_SECONDS):
            async for request in requests:
                return request
    except TimeoutError:
        raise DeadlineExceeded(f"The request did not arrive within {_REQUEST_SECONDS:.0f} s.") from None
    await let_cancellation_land()
    raise InvalidRequest("The call ended without its request.")


async def let_cancellation_land() -> None:
    """Raises CancelledError where a stream seemed to end because its call was cancelled.

    gRPC tells a handler of the two by different events, within a millisecond or so, the end of the stream first.
    """
    await asyncio.sleep(_CANCELLATION_SECONDS)


def as_failure(error: Exception) -> Failure:
    """What to show the caller: a Failure as it is; of anything else an id only, under which the log has the text."""
    if isinstance(error, Failure):
        return error
    error_id = uuid.uuid4().hex[:12]
    log.error("failed", error_id=error_id, exc_info=error)
    return Failure(f"The server failed; its log has the cause under {error_id}.", details={"error_id": error_id})


def _empty_frames(error: BaseException | None) -> None:
    """Drops what an exception's frames hold, such as pictures, but for those that still run.

    The contexts that it leaves refer to it in a circle, so all that would stay until the garbage collector comes, which
    goes by the number of objects and not by their size: gigabytes of pictures in the frames of a few refused calls.
    """
    while error is not None:
        traceback.clear_frames(error.__traceback__)
        error = error.__cause__ or error.__context__


_OUR_FAULTS = frozenset({"UNKNOWN", "DEADLINE_EXCEEDED", "UNIMPLEMENTED", "INTERNAL", "UNAVAILABLE", "DATA_LOSS"})
"""Codes that make a server's span an error, by OpenTelemetry's conventions for gRPC; the others are the caller's."""


def answering(domain: str, calls: CallMeter, tracer: Tracer) -> Layer:
    """The layer that turns failures into statuses, and tells of a call: its line in the log, its metrics, its span.

    Of calls that are refused for overload so many a second have a line and the others are counted in the next one: a
    flood must neither fill a disk nor cost more than it has to.
    """
    sheds = Ration(a_second=_SHED_LINES)

    @asynccontextmanager
    async def layer(method: str, context: Any) -> AsyncIterator[None]:
        metadata = context.invocation_metadata() or ()
        with tracer.serving(method, read_headers(metadata)) as span:
            begin_call(metadata, trace_id=span.trace_id)
            started, code, reason, shed = time.monotonic(), "CANCELLED", None, False
            calls.began(method)
            try:
                yield
                code = "OK"
            except Exception as error:
                failure = as_failure(error)
                code, reason, shed = failure.code, failure.reason, failure.sheds
                calls.failed(reason, shed=shed)
                status = to_status(failure, domain=domain)
                trailing = ((DETAILS, status.SerializeToString()), *pushback(failure))
                _empty_frames(error)
                await context.abort(grpc.StatusCode[failure.code], status.message, trailing_metadata=trailing)
            finally:
                ended = time.monotonic()
                seconds = ended - started
                if not shed or sheds.take(ended):
                    facts = ({"reason": reason} if reason else {}) | (sheds.left_out() if shed else {})
                    log.info("answered", method=method, code=code, seconds=round(seconds, 4), **facts)
                span.set({"rpc.response.status_code": code})
                if code in _OUR_FAULTS:
                    span.fail(reason or code)
                calls.ended(method, code, seconds, structlog.contextvars.get_contextvars)

    return layer

"""What a server ended a call with, where grpc.aio says something else because a write failed afterwards."""

from __future__ import annotations

from collections.abc import Coroutine
from typing import Any, TypeVar, cast

import grpc

BROKEN_CALL = "Internal error from Core"
"""What grpc.aio says, with INTERNAL, where it cannot write any more since the call or the connection is over (1.71 to
1.85)."""

ValueT = TypeVar("ValueT")


class Ending:
    """Keeps the status that a call ended with. Made before its first message is sent; used on its event loop.

    A write that fails puts INTERNAL over the status that the server has sent, details and all (grpc/grpc#36066).
    """

    def __init__(self, call: Any) -> None:
        self.error: grpc.aio.AioRpcError | None = None
        """What the call failed with; None while it runs and where it did not."""
        call.add_done_callback(self._keep)

    def behind(self, error: grpc.RpcError) -> grpc.RpcError:
        """What the server said, where the error of a read or write is only that a write failed; else the error."""
        call = cast("grpc.Call", error)
        broken = call.code() is grpc.StatusCode.INTERNAL and call.details() == BROKEN_CALL
        return self.error if broken and self.error is not None else error

    def _keep(self, call: Any) -> None:
        code = _at_once(call.code())
        if code is not grpc.StatusCode.OK:
            self.error = grpc.aio.AioRpcError(
                code,
                _at_once(call.initial_metadata()),
                _at_once(call.trailing_metadata()),
                details=_at_once(call.details()),
                debug_error_string=_at_once(call.debug_error_string()),
            )


def _at_once(known: Coroutine[Any, Any, ValueT]) -> ValueT:
    """The value of a coroutine that has nothing to wait for, as all of a call that is over."""
    try:
        known.send(None)
    except StopIteration as end:
        return cast("ValueT", end.value)
    known.close()
    raise RuntimeError("the call is not over")

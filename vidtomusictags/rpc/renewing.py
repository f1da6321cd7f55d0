"""A channel that shows at each call what its files say by then; calls that run keep the connection they began on."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any, Self

import grpc

from vidtomusictags.rpc.proof import Proof

Make = Callable[[grpc.ChannelCredentials | None], grpc.aio.Channel]


class _Connection:
    """A channel with the certificates of its time, closed when it is retired and no call runs on it any more."""

    def __init__(self, channel: grpc.aio.Channel) -> None:
        self.channel = channel
        self.closing: asyncio.Task[None] | None = None
        self._running = 0
        self._retired = False

    def began(self, call: Any) -> None:
        self._running += 1
        call.add_done_callback(self._ended)

    def retire(self) -> None:
        self._retired = True
        self._close_if_idle()

    def _ended(self, call: Any) -> None:
        self._running -= 1
        self._close_if_idle()

    def _close_if_idle(self) -> None:
        if self._retired and not self._running and self.closing is None:
            self.closing = asyncio.ensure_future(self.channel.close())


class RenewingChannel(grpc.aio.Channel):
    """For one event loop. gRPC's channels keep the certificates they were made with, so this one makes another.

    make: a channel to the same target with the credentials given, None for plaintext.
    """

    def __init__(self, make: Make, proof: Proof) -> None:
        self._make = make
        self._proof = proof
        self._made_with = proof.channel_credentials()
        self._connection = _Connection(make(self._made_with))
        self._older: list[_Connection] = []

    def _current(self) -> _Connection:
        """The connection for a call that begins now."""
        credentials = self._proof.channel_credentials()
        if credentials is not self._made_with:
            self._older = [one for one in self._older if one.closing is None or not one.closing.done()]
            self._older.append(self._connection)
            self._connection.retire()
            self._made_with, self._connection = credentials, _Connection(self._make(credentials))
        return self._connection

    def _calling(self, arity: str, method: tuple[Any, ...], options: dict[str, Any]) -> Callable[..., Any]:
        def begin(*arguments: Any, metadata: Any = None, **others: Any) -> Any:
            connection = self._current()
            shown = (*(metadata or ()), *self._proof.metadata())
            call = getattr(connection.channel, arity)(*method, **options)(*arguments, metadata=shown, **others)
            connection.began(call)
            return call

        return begin

    def unary_unary(self, *method: Any, **options: Any) -> Any:
        """As grpc.aio.Channel has it; so the next three."""
        return self._calling("unary_unary", method, options)

    def unary_stream(self, *method: Any, **options: Any) -> Any:
        """See unary_unary."""
        return self._calling("unary_stream", method, options)

    def stream_unary(self, *method: Any, **options: Any) -> Any:
        """See unary_unary."""
        return self._calling("stream_unary", method, options)

    def stream_stream(self, *method: Any, **options: Any) -> Any:
        """See unary_unary."""
        return self._calling("stream_stream", method, options)

    async def close(self, grace: float | None = None) -> None:
        """Ends all calls, those on older connections too, after `grace` seconds."""
        await asyncio.gather(*(one.channel.close(grace) for one in (*self._older, self._connection)))

    def get_state(self, try_to_connect: bool = False) -> grpc.ChannelConnectivity:
        """Of the newest connection."""
        return self._connection.channel.get_state(try_to_connect)

    async def wait_for_state_change(self, last_observed_state: grpc.ChannelConnectivity) -> None:
        """Of the newest connection."""
        await self._connection.channel.wait_for_state_change(last_observed_state)

    async def channel_ready(self) -> None:
        """Of the newest connection."""
        await self._connection.channel.channel_ready()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()

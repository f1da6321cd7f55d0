"""A channel for code that waits, which shows at each call what its files say by then."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import grpc

from vidtomusictags.rpc.proof import Proof

Make = Callable[[grpc.ChannelCredentials | None], grpc.Channel]


class _Connection:
    """A channel with the certificates of its time, closed when it is retired and no call runs on it any more."""

    def __init__(self, channel: grpc.Channel) -> None:
        self.channel = channel
        self._lock = threading.Lock()
        self._running = 0
        self._retired = False

    def begin(self) -> None:
        with self._lock:
            self._running += 1

    def end(self, *_: object) -> None:
        with self._lock:
            self._running -= 1
            idle = self._retired and not self._running
        if idle:
            # gRPC calls from a thread of its own that must not wait for the end of its channel.
            threading.Thread(target=self.channel.close, daemon=True).start()

    def retire(self) -> None:
        with self._lock:
            self._retired = True
            idle = not self._running
        if idle:
            self.channel.close()


class RenewingChannel(grpc.Channel):
    """gRPC's channels keep the certificates they were made with, so this one makes another when they change.

    For any number of threads. make: a channel to the same target with the credentials given, None for plaintext.
    """

    def __init__(self, make: Make, proof: Proof) -> None:
        self._make = make
        self._proof = proof
        self._lock = threading.Lock()
        self._made_with = proof.channel_credentials()
        self._connection = _Connection(make(self._made_with))

    def _begun(self) -> _Connection:
        """The connection for a call that begins now, counted there."""
        with self._lock:
            credentials = self._proof.channel_credentials()
            if credentials is not self._made_with:
                self._connection.retire()
                self._made_with, self._connection = credentials, _Connection(self._make(credentials))
            self._connection.begin()
            return self._connection

    def _shown(self, metadata: Any) -> tuple[Any, ...]:
        return (*(metadata or ()), *self._proof.metadata())

    def _waiting(self, arity: str, method: tuple[Any, ...], options: dict[str, Any]) -> Callable[..., Any]:
        """Of calls with one answer, which return with it."""

        def call(*arguments: Any, metadata: Any = None, **others: Any) -> Any:
            with self._counted() as channel:
                begin = getattr(channel, arity)(*method, **options)
                return begin(*arguments, metadata=self._shown(metadata), **others)

        return call

    @contextmanager
    def _counted(self) -> Iterator[grpc.Channel]:
        connection = self._begun()
        try:
            yield connection.channel
        finally:
            connection.end()

    def _streaming(self, arity: str, method: tuple[Any, ...], options: dict[str, Any]) -> Callable[..., Any]:
        """Of calls with a stream of answers, which return at once."""

        def begin(*arguments: Any, metadata: Any = None, **others: Any) -> Any:
            connection = self._begun()
            try:
                call = getattr(connection.channel, arity)(*method, **options)(
                    *arguments, metadata=self._shown(metadata), **others
                )
            except BaseException:
                connection.end()
                raise
            call.add_done_callback(connection.end)
            return call

        return begin

    def unary_unary(self, *method: Any, **options: Any) -> Any:
        """As grpc.Channel has it, for calls that are waited for; so the next three."""
        return self._waiting("unary_unary", method, options)

    def stream_unary(self, *method: Any, **options: Any) -> Any:
        """See unary_unary."""
        return self._waiting("stream_unary", method, options)

    def unary_stream(self, *method: Any, **options: Any) -> Any:
        """See unary_unary."""
        return self._streaming("unary_stream", method, options)

    def stream_stream(self, *method: Any, **options: Any) -> Any:
        """See unary_unary."""
        return self._streaming("stream_stream", method, options)

    def subscribe(self, callback: Any, try_to_connect: bool = False) -> None:
        """Of the newest connection."""
        self._connection.channel.subscribe(callback, try_to_connect)

    def unsubscribe(self, callback: Any) -> None:
        """Of the newest connection."""
        self._connection.channel.unsubscribe(callback)

    def close(self) -> None:
        """Ends the calls on the newest connection; older ones end with their last call."""
        self._connection.channel.close()

    def __enter__(self) -> RenewingChannel:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

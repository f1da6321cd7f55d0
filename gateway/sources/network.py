"""Connections to checked addresses alone: a name is resolved once, and what was checked is what is connected to.

So a name that leads to a public address when it is looked at and to a private one when it is used (DNS rebinding) gains
nothing. TLS and the Host header still go by the name.
"""

from __future__ import annotations

import asyncio
import ipaddress
import socket
from collections.abc import Awaitable, Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import httpcore

from gateway.sources.addresses import is_public
from gateway.sources.hosts import HostPattern, WebPlace
from vidtomusictags.rpc.failures import UriRefused

Lookup = Callable[[str, int], Awaitable[Sequence[str]]]
"""The addresses of a name. Raises OSError where there are none."""

_LOOKUPS_AT_ONCE = 8
_ADDRESSES_TRIED = 4


class Resolver:
    """Asks the system for addresses, in threads of its own: a slow name server must hold up no other work."""

    def __init__(self) -> None:
        self._threads = ThreadPoolExecutor(_LOOKUPS_AT_ONCE, thread_name_prefix="lookup")

    async def __call__(self, host: str, port: int) -> Sequence[str]:
        found = await asyncio.get_running_loop().run_in_executor(
            self._threads, lambda: socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
        )
        return [str(address[0]) for *_, address in found]

    def close(self) -> None:
        """Waits for no lookup that is under way."""
        self._threads.shutdown(wait=False, cancel_futures=True)


class CheckedNetwork(httpcore.AsyncNetworkBackend):
    """The network as httpcore sees it. private: hosts that may have addresses which are not public."""

    def __init__(self, lookup: Lookup, private: tuple[str, ...]) -> None:
        self._lookup = lookup
        self._private = tuple(HostPattern.parse(text) for text in private)
        self._network = httpcore.AnyIOBackend()

    async def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,  # noqa: ASYNC109  # httpcore's own interface
        local_address: str | None = None,
        socket_options: Iterable[Any] | None = None,
    ) -> httpcore.AsyncNetworkStream:
        """A connection to one of the name's addresses, in their order. Raises UriRefused, and httpcore's errors."""
        addresses = await self._checked(host, port, timeout)
        failure: Exception = httpcore.ConnectError("no address")
        for address in addresses[:_ADDRESSES_TRIED]:
            try:
                return await self._network.connect_tcp(address, port, timeout, local_address, socket_options)
            except (httpcore.ConnectError, httpcore.ConnectTimeout) as error:
                failure = error
        raise failure

    async def _checked(self, host: str, port: int, seconds: float | None) -> list[str]:
        try:
            async with asyncio.timeout(seconds):
                found = await self._lookup(host, port)
        except TimeoutError as error:
            raise httpcore.ConnectTimeout("lookup") from error
        except OSError as error:
            raise httpcore.ConnectError("lookup") from error
        addresses = list(dict.fromkeys(found))
        if not self._may_be_private(host, port) and not all(is_public(ipaddress.ip_address(one)) for one in addresses):
            raise UriRefused(
                "The URI's host leads to an address that this gateway does not read from; ask its operator.",
                field="uri",
            )
        return addresses

    def _may_be_private(self, host: str, port: int) -> bool:
        places = [WebPlace(scheme, host, port, "/") for scheme in ("https", "http")]
        return any(pattern.allows(place) for pattern in self._private for place in places)

    async def connect_unix_socket(self, *arguments: Any, **named: Any) -> httpcore.AsyncNetworkStream:
        raise UriRefused("The URI's host is not one that this gateway reads from.", field="uri")

    async def sleep(self, seconds: float) -> None:
        await asyncio.sleep(seconds)

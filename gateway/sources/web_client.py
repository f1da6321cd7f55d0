"""One request to a web server, and what its trouble is called."""

from __future__ import annotations

import ssl
from collections.abc import AsyncGenerator, AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager

import httpcore

from gateway.sources.fetches import Fetch, Fetches
from gateway.sources.hosts import PORTS, WebPlace
from vidtomusictags.rpc import failures
from vidtomusictags.version import VERSION

REDIRECTS = frozenset({301, 302, 303, 307, 308})
_CONNECTIONS = 16


class Answer:
    """A server's answer, whose body is counted as it arrives."""

    def __init__(self, response: httpcore.Response, fetch: Fetch) -> None:
        self._response = response
        self._fetch = fetch
        self.status: int = response.status

    def header(self, name: str) -> str:
        """The first value of a header, its name in lower case; empty where there is none."""
        values = [value for key, value in self._response.headers if key.lower() == name.encode()]
        return values[0].decode("latin-1").strip() if values else ""

    async def pieces(self) -> AsyncGenerator[bytes, None]:
        """The body. Raises httpcore's errors, and what counting raises."""
        async for piece in self._response.aiter_stream():
            self._fetch.arrived(len(piece))
            yield piece

    def ended(self) -> None:
        """All of the body came, and it is good; what becomes of it is another matter."""
        self._fetch.ended()


class WebClient:
    """Asks the servers of one video; a context manager.

    Its connections are its own: a request that is cancelled while it gives its connection back keeps it for ever
    (httpcore 1.0.9 shields itself from anyio's cancelling alone), and would empty a pool that all share.
    authorities: whom https servers must be certified by; None where there will be none.
    idle_seconds: longest silence while connecting, sending or receiving.
    """

    def __init__(
        self,
        network: httpcore.AsyncNetworkBackend,
        authorities: ssl.SSLContext | None,
        fetches: Fetches,
        *,
        idle_seconds: float,
    ) -> None:
        self._fetches = fetches
        self._pool = httpcore.AsyncConnectionPool(
            ssl_context=authorities, max_connections=_CONNECTIONS, network_backend=network
        )
        self._timeouts = dict.fromkeys(("connect", "read", "write", "pool"), idle_seconds)

    async def __aenter__(self) -> WebClient:
        return self

    async def __aexit__(self, *exception: object) -> None:
        await self._pool.aclose()

    @asynccontextmanager
    async def get(self, place: WebPlace, start: int, end: int, validator: str = "") -> AsyncIterator[Answer]:
        """The answer to a request for [start, end) of a file; with a validator, of the very file that it came from.

        Its status is 200, 206, 412, 416 or one of REDIRECTS, and its content as it is. Raises RemoteUnavailable,
        RemoteTimeout, RemoteForbidden, RemoteInvalid, VideoNotFound or UriRefused.
        """
        host = f"[{place.host}]" if ":" in place.host else place.host
        headers: dict[bytes | str, bytes | str] = {
            "Host": host if place.port == PORTS[place.scheme] else f"{host}:{place.port}",
            "Accept-Encoding": "identity",
            "Range": f"bytes={start}-{end - 1}",
            "User-Agent": f"vidtomusictags/{VERSION}",
        }
        if validator:
            headers["If-Range"] = validator
        url = httpcore.URL(scheme=place.scheme, host=place.host, port=place.port, target=place.target)
        extensions = {"timeout": self._timeouts}
        with self._fetches.request(place.scheme) as fetch, troubles_named():
            async with self._pool.stream("GET", url, headers=headers, extensions=extensions) as response:
                answer = Answer(response, fetch)
                _refuse_trouble(answer.status)
                if answer.header("content-encoding").lower() not in ("", "identity"):
                    raise failures.RemoteInvalid(
                        "The video's server compresses what it sends, though it was asked not to; serve the plain file."
                    )
                yield answer


def _refuse_trouble(status: int) -> None:
    if status in (404, 410):
        raise failures.VideoNotFound("There is no video at that URI; check it.", field="uri")
    if status in (401, 403, 407, 451):
        raise failures.RemoteForbidden(
            "The video's server does not let this gateway read it; check whether the URI has expired.", field="uri"
        )
    if status == 429 or status >= 500:
        raise failures.RemoteUnavailable(
            "The video's server cannot answer now; try again later.", retry_after_seconds=2.0
        )
    if status not in REDIRECTS | {200, 206, 412, 416}:
        raise failures.RemoteInvalid(f"The video's server answers with status {status}; upload the video.")


@contextmanager
def troubles_named() -> Iterator[None]:
    """Within the block, httpcore's errors are failures; their texts, which may hold addresses, are dropped."""
    try:
        yield
    except httpcore.TimeoutException:
        raise too_slow() from None
    except (httpcore.NetworkError, httpcore.ProtocolError, httpcore.UnsupportedProtocol) as error:
        if _is_about_certificate(error):
            raise failures.RemoteInvalid(
                "The certificate of the video's server is not valid for it; have it renewed, or upload the video."
            ) from None
        raise failures.RemoteUnavailable(
            "The video's server cannot be reached or breaks off; try again later.", retry_after_seconds=2.0
        ) from None


def _is_about_certificate(error: BaseException | None) -> bool:
    while error is not None and not isinstance(error, ssl.SSLCertVerificationError):
        error = error.__cause__ or error.__context__
    return error is not None


def too_slow() -> failures.RemoteTimeout:
    """The failure of a server that takes too long."""
    return failures.RemoteTimeout("The video's server is too slow; try again later, or upload the video.")

"""All ways to videos by the scheme of their URIs. A new one is one module and one line here."""

from __future__ import annotations

import asyncio
import importlib
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager, nullcontext
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

from gateway.sources.fetched import FetchedVideo, fetched
from gateway.sources.fetches import UNCOUNTED, Fetches
from gateway.sources.rules import SourceRules
from gateway.sources.source import Place, Source, check_characters
from gateway.spool import Spool
from vidtomusictags.rpc.failures import UriInvalid, UriRefused


@dataclass(frozen=True)
class _Way:
    """One source, imported when a URI first asks for it. library: what it needs beyond the gateway's own."""

    module: str
    name: str
    library: str = ""

    def source(self, rules: SourceRules, fetches: Fetches) -> Source:
        """The source, imported now. Blocks."""
        kind = getattr(importlib.import_module(self.module), self.name)
        source: Source = kind(rules, fetches) if self.library else kind(rules)
        return source

    def is_open(self, scheme: str, rules: SourceRules) -> bool:
        """Whether the rules let any URI of the scheme through."""
        hosts = {"https": rules.hosts, "http": rules.insecure_hosts}
        if scheme in hosts:
            return bool(hosts[scheme])
        return not self.library or any(bucket.startswith(f"{scheme}://") for bucket in rules.buckets)


SCHEMES: Mapping[str, _Way] = {
    "file": _Way("gateway.sources.files", "FileSource"),
    "https": _Way("gateway.sources.web", "WebSource", "httpcore"),
    "http": _Way("gateway.sources.web", "WebSource", "httpcore"),
    "s3": _Way("gateway.sources.s3", "S3Source", "s3fs"),
    "gs": _Way("gateway.sources.gs", "GsSource", "gcsfs"),
}
_SETTINGS = {"https": "GATEWAY_REMOTE_HOSTS", "http": "GATEWAY_REMOTE_INSECURE_HOSTS"}


class Sources:
    """Finds and opens videos by URI. Used on one event loop; made by `running_sources`."""

    def __init__(self, rules: SourceRules, spool: Spool, fetches: Fetches) -> None:
        self._rules = rules
        self._spool = spool
        self._fetches = fetches
        self._open: dict[_Way, Source] = {}

    async def place(self, uri: str) -> Place:
        """Where a URI leads that may be opened. Raises UriInvalid, UriRefused, VideoNotFound or VideoUnreadable."""
        check_characters(uri)
        scheme = uri.partition("://")[0].lower()
        way = SCHEMES.get(scheme)
        if way is None:
            raise UriInvalid(
                f"The URI must begin with one of {', '.join(f'{known}://' for known in SCHEMES)}; or upload the video.",
                field="uri",
            )
        if not way.is_open(scheme, self._rules):
            raise UriRefused(
                f"This gateway reads no {scheme} URIs: its operator has not allowed any; upload the video.", field="uri"
            )
        if way not in self._open:
            # Aside, because s3fs takes a second to load, and the authorities of https a tenth.
            self._open.setdefault(way, await asyncio.to_thread(way.source, self._rules, self._fetches))
        return await self._open[way].place(uri)

    @asynccontextmanager
    async def opened(self, place: Place) -> AsyncIterator[Path | FetchedVideo]:
        """The video for the length of the block: a file of this machine, or one that is fetched into the spool."""
        counting = self._fetches.video(place.scheme) if place.is_remote else nullcontext()
        with counting:
            async with place.open() as video:
                if isinstance(video, Path):
                    yield video
                    return
                async with fetched(video, self._spool, self._rules) as arriving:
                    yield arriving

    async def close(self) -> None:
        """Lets go of all connections."""
        for source in self._open.values():
            await source.close()


@asynccontextmanager
async def running_sources(rules: SourceRules, spool: Spool, fetches: Fetches = UNCOUNTED) -> AsyncIterator[Sources]:
    """The sources for the length of the block. fetches: told of all that is fetched.

    Raises ValueError where the rules need what is not installed.
    """
    remote = [scheme for scheme, way in SCHEMES.items() if way.library and way.is_open(scheme, rules)]
    for scheme in remote:
        if find_spec((way := SCHEMES[scheme]).library) is None:
            setting = _SETTINGS.get(scheme, "GATEWAY_REMOTE_BUCKETS")
            raise ValueError(f"{setting} needs {way.library}: pip install 'vidtomusictags[remote]'")
    fetches.expect(remote)
    sources = Sources(rules, spool, fetches)
    try:
        yield sources
    finally:
        await sources.close()

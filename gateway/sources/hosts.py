"""Web addresses that callers may name: their form, and the list of hosts that they must lead to."""

from __future__ import annotations

import ipaddress
import re
from dataclasses import dataclass
from urllib.parse import SplitResult, urljoin, urlsplit

from gateway.sources.source import check_printable
from vidtomusictags.rpc.failures import UriInvalid, UriRefused

PORTS = {"https": 443, "http": 80}
"""Those that go without saying."""
_NAME = re.compile(r"(?!-)[a-z0-9-]{1,63}(?<!-)(\.(?!-)[a-z0-9_-]{1,63}(?<!-))*")
_REFUSED = "The URI's host is not one that this gateway reads from; ask its operator which those are."


@dataclass(frozen=True)
class HostPattern:
    """`cdn.example.com`, or `*.example.com` for every host under it; `:8443` after either for a port of its own.

    Without a port, that of the scheme. An IP address is written as it is, IPv6 in brackets.
    """

    suffix: str
    is_exact: bool
    port: int | None

    @classmethod
    def parse(cls, text: str) -> HostPattern:
        """Raises ValueError for what is no pattern."""
        found = re.fullmatch(r"(\*\.)?(\[[0-9a-f:.]+\]|[^:/@\[\]*]+)(?::(\d{1,5}))?", text.lower())
        host = canonical_host(found[2]) if found else None
        if found is None or host is None or (found[1] and host[-1].isdigit()):
            raise ValueError(f"{text!r} is no host; write cdn.example.com, *.example.com or cdn.example.com:8443")
        port = int(found[3]) if found[3] else None
        if port is not None and not 1 <= port <= 65535:
            raise ValueError(f"{text!r} has no port from 1 to 65535")
        return cls(f".{host}" if found[1] else host, not found[1], port)

    def allows(self, place: WebPlace) -> bool:
        """Whether the place is on this host."""
        port = PORTS[place.scheme] if self.port is None else self.port
        fits = place.host == self.suffix if self.is_exact else place.host.endswith(self.suffix)
        return fits and place.port == port


@dataclass(frozen=True)
class WebPlace:
    """A URL in parts that have but one meaning. target: path and query, which may be a secret: never to be told."""

    scheme: str
    host: str
    port: int
    target: str


class HostList:
    """The hosts that may be read from, by https and by plain http."""

    def __init__(self, secure: tuple[str, ...], insecure: tuple[str, ...]) -> None:
        """Raises ValueError for what is no pattern."""
        self._allowed = {
            "https": tuple(HostPattern.parse(text) for text in secure),
            "http": tuple(HostPattern.parse(text) for text in insecure),
        }

    def place(self, uri: str) -> WebPlace:
        """The parts of an allowed URL. Raises UriInvalid or UriRefused."""
        place = web_place(uri)
        if not any(pattern.allows(place) for pattern in self._allowed[place.scheme]):
            if place.scheme == "http" and not self._allowed["http"]:
                raise UriRefused("This gateway reads from no host by plain http; use https.", field="uri")
            raise UriRefused(_REFUSED, field="uri")
        return place

    def next_place(self, place: WebPlace, location: str) -> WebPlace:
        """Where a redirect leads, checked as any other URL. Raises UriInvalid or UriRefused."""
        host = f"[{place.host}]" if ":" in place.host else place.host
        following = self.place(urljoin(f"{place.scheme}://{host}:{place.port}{place.target}", location))
        if (place.scheme, following.scheme) == ("https", "http"):
            raise UriRefused("The URI leads from https to plain http; name the video's own address.", field="uri")
        return following


def web_place(uri: str) -> WebPlace:
    """The parts of an http or https URL. Raises UriInvalid where they are not beyond doubt."""
    check_printable(uri)
    try:
        parts = urlsplit(uri)
        port = parts.port
    except ValueError:
        raise _invalid("The URI cannot be understood; write https://host/path.") from None
    scheme = parts.scheme.lower()
    if scheme not in PORTS:
        raise _invalid("Only https and http lead to web servers.")
    if "@" in parts.netloc:
        raise _invalid("The URI holds a user name or password; leave it out, they are never sent.")
    if parts.fragment or "#" in uri or "\\" in uri:
        raise _invalid("The URI may hold no # and no backslash; percent-encode them.")
    host = canonical_host(_host_of(parts))
    if host is None or port == 0:
        raise _invalid(
            "The URI's host is no host name; write a name (xn--... for one that is not ASCII) or a plain IP address."
        )
    target = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
    return WebPlace(scheme, host, PORTS[scheme] if port is None else port, target)


def canonical_host(text: str) -> str | None:
    """A host in the one form in which hosts are compared; None for what is none.

    Numbers that some resolvers take for IPv4 addresses (2130706433, 0x7f.1, 0177.0.0.1) are none.
    """
    text = text.lower()
    if text.startswith("["):
        if "%" in text:
            return None  # the name of an interface
        try:
            return str(ipaddress.IPv6Address(text.removeprefix("[").removesuffix("]")))
        except ValueError:
            return None
    name = text.removesuffix(".")
    last = name.rpartition(".")[2]
    if last.isdigit() or re.fullmatch(r"0x[0-9a-f]*", last):  # as the URL standard tells addresses from names
        try:
            return str(ipaddress.IPv4Address(name))
        except ValueError:
            return None
    return name if len(name) <= 253 and _NAME.fullmatch(name) else None


def _host_of(parts: SplitResult) -> str:
    """The host as it was written, without the port."""
    if parts.netloc.startswith("["):
        return parts.netloc.partition("]")[0] + "]"
    return parts.netloc.partition(":")[0]


def _invalid(message: str) -> UriInvalid:
    return UriInvalid(message, field="uri")

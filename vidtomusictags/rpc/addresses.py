"""What an address says of where it leads: only to this machine, or beyond."""

from __future__ import annotations

import ipaddress

_UNIX = ("unix:", "unix-abstract:")


def is_loopback(address: str) -> bool:
    """Whether an address to listen on, such as `127.0.0.1:50051`, is reached from this machine alone."""
    if address.startswith(_UNIX):
        return True
    host = address.rpartition(":")[0].strip("[]")
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def leads_to_loopback(target: str) -> bool:
    """Whether a gRPC target, such as `dns:///captioner:50051` or `ipv4:127.0.0.1:1,127.0.0.2:1`, stays on this machine.

    A name other than `localhost` may lead anywhere, whatever it resolves to now.
    """
    if target.startswith(_UNIX):
        return True
    scheme, colon, rest = target.partition(":")
    if colon and scheme in ("ipv4", "ipv6"):
        return all(is_loopback(address) for address in rest.split(","))
    if colon and scheme == "dns":
        rest = rest.rpartition("/")[2]
        return is_loopback(rest if ":" in rest else f"{rest}:443")
    return is_loopback(target)

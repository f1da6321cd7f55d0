"""Which network addresses are public: everything that may only be reached from inside is not."""

from __future__ import annotations

import ipaddress

Address = ipaddress.IPv4Address | ipaddress.IPv6Address

_NAT64 = ipaddress.IPv6Network("64:ff9b::/96")
"""RFC 6052: where DNS64 puts hosts that have IPv4 alone; as public as the IPv4 address inside."""
_NEVER = tuple(
    ipaddress.ip_network(network)
    for network in (
        "168.63.129.16/32",  # Azure's platform channel and DNS, a public address that leads inside
        "192.0.0.0/24",  # protocol assignments, a cloud's metadata among them; Python's word on it varies by version
        "192.88.99.0/24",  # 6to4 relays (RFC 7526)
        "2002::/16",  # 6to4: carries any IPv4 address (RFC 3056)
        "2001::/23",  # protocol assignments, Teredo among them (RFC 4380)
        "64:ff9b:1::/48",  # local NAT64 (RFC 8215)
        "::/96",  # IPv4-compatible (RFC 4291, deprecated)
        "fec0::/10",  # site-local (RFC 3879, deprecated)
        "5f00::/16",  # segment routing (RFC 9602)
    )
)


def is_public(address: Address) -> bool:
    """Whether an address is one of the public internet's, tunnels and embedded IPv4 addresses looked through."""
    if isinstance(address, ipaddress.IPv6Address):
        if address.ipv4_mapped is not None:
            return is_public(address.ipv4_mapped)
        if address in _NAT64:
            return is_public(ipaddress.IPv4Address(int(address) & 0xFFFFFFFF))
    if any(address in network for network in _NEVER if network.version == address.version):
        return False
    return address.is_global and not (address.is_multicast or address.is_reserved)

"""All the replicas behind an address, or behind several."""

from __future__ import annotations

import ipaddress
import re
import socket
from dataclasses import dataclass

from vidtomusictags.command.service_settings import ServiceName

_SCHEME = re.compile(r"^(dns:(//[^/]*/)?|ipv4:|ipv6:)")
_ANY_ADDRESS = re.compile(r"^(0\.0\.0\.0|\[::\]):")


@dataclass(frozen=True)
class Replica:
    """One replica. address: host and port of its calls. fault: why it is not known where it is; empty: it is known.

    name: host and port that were asked for. Its certificate is for these: several replicas share a name, and an address
    that a pod has for a day stands in no certificate.
    """

    service: ServiceName
    address: str
    fault: str = ""
    name: str = ""

    def metrics_address(self, port: int | None, offset: int) -> str:
        """Where its metrics are: on that port, or so many ports above that of its calls."""
        host, _, own = self.address.rpartition(":")
        return f"{host}:{port if port is not None else int(own) + offset}"


def replicas_of(service: ServiceName, targets: str) -> list[Replica]:
    """Every address of the targets, in order, each once.

    targets: with commas between them; host:port, or as gRPC writes it: dns:///host:port, ipv4:host:port,host:port.
    """
    found: dict[str, Replica] = {}
    for target in _SCHEME.sub("", targets).split(","):
        name = _ANY_ADDRESS.sub("127.0.0.1:", _SCHEME.sub("", target.strip()))
        for replica in _resolved(service, name):
            found.setdefault(replica.address, replica)
    return list(found.values())


def _resolved(service: ServiceName, name: str) -> list[Replica]:
    host, _, port = name.rpartition(":")
    host = host.strip("[]")
    if not host or not port.isdecimal():
        return [Replica(service, name, "not host:port")]
    try:
        answers = socket.getaddrinfo(host, int(port), type=socket.SOCK_STREAM)
    except OSError as error:
        return [Replica(service, name, f"{host} is not known: {error.strerror or error}")]
    if host == "localhost":
        answers = answers[:1]  # both families of one machine
    return [Replica(service, _written(str(answer[4][0]), int(port)), name=name) for answer in answers]


def _written(host: str, port: int) -> str:
    address = ipaddress.ip_address(host.partition("%")[0])
    return f"[{host}]:{port}" if address.version == 6 else f"{host}:{port}"

"""Where a server lets calls in: a port in TLS, or in plaintext where nobody else can listen in."""

from __future__ import annotations

import math
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass

import grpc
import structlog

from vidtomusictags.rpc.addresses import is_loopback
from vidtomusictags.rpc.certificates import KeyPair, read_authorities, read_pair
from vidtomusictags.rpc.file_metrics import CERTIFICATE_ENDS, LISTENER, counting_reloads
from vidtomusictags.rpc.metrics import NO_METER, Meter
from vidtomusictags.rpc.reloading import Reloading
from vidtomusictags.rpc.settings import HostSettings

log = structlog.get_logger()

_HANDSHAKE_BEGINS_WITHIN_SECONDS = 0.1
"""From the moment a new connection is told its certificate until gRPC has begun its handshake; takes microseconds."""
_TICKETS_SECONDS = 300.0
"""How long a client that has shown its certificate may come back by a ticket of TLS instead: as long as connections
live unless settings say otherwise."""


@dataclass(frozen=True)
class _Shown:
    """What new connections are shown. ends_at: Unix time in seconds; not a number where it is not known."""

    configuration: grpc.ServerCertificateConfiguration
    ends_at: float


def open_door(server: grpc.aio.Server, settings: HostSettings, meter: Meter = NO_METER) -> int:
    """Binds the server to `settings.listen`; returns the port. meter: told of the certificate and what becomes of it.

    Raises OSError where the address cannot be had or would let calls in from beyond this machine in plaintext, and
    ValueError or OSError for files of TLS that cannot be used.
    """
    credentials = _credentials(settings, meter)
    if credentials is None and not settings.insecure and not is_loopback(settings.listen):
        raise OSError(
            f"refusing to listen in plaintext on {settings.listen}: use a loopback address, set TLS_CERTIFICATE and "
            "TLS_KEY, or INSECURE=true where the network secures the traffic (each with the service's prefix)"
        )
    try:
        port: int = (
            server.add_insecure_port(settings.listen)
            if credentials is None
            else server.add_secure_port(settings.listen, credentials)
        )
    except RuntimeError as error:
        raise OSError(f"cannot listen on {settings.listen}: is the address right, and the port free?") from error
    return port


def _credentials(settings: HostSettings, meter: Meter) -> grpc.ServerCredentials | None:
    """TLS whose files are looked at for every new connection; those that exist keep what they were made with."""
    certificate, key, client_ca = settings.tls_certificate, settings.tls_key, settings.tls_client_ca
    if certificate is None or key is None:
        return None
    paths = [certificate, key, *([client_ca] if client_ca else [])]

    def read() -> _Shown:
        pair, authorities = read_pair(certificate, key), read_authorities(client_ca) if client_ca else None
        return _Shown(_configuration(pair, authorities), math.nan if pair.ends_at is None else pair.ends_at)

    files = Reloading(
        paths,
        read,
        lambda fault: log.warning("old file kept", what="certificate", fault=fault),
        on_reading=counting_reloads(meter, "certificate"),
    )
    # Asked when metrics are scraped, so that files which cannot be used are found without a new connection, too.
    meter.watch(CERTIFICATE_ENDS, lambda: files.current().ends_at, LISTENER)
    certificates = Certificates(
        lambda: files.current().configuration, lasting_seconds=_TICKETS_SECONDS if client_ca else math.inf
    )
    return grpc.dynamic_ssl_server_credentials(
        certificates.shown,
        certificates.changed,  # type: ignore[arg-type]  # its documentation has it that None is no change
        require_client_authentication=client_ca is not None,
    )


class Certificates:
    """What gRPC is told of the files of TLS, for each new connection and on whichever thread that comes in.

    gRPC exchanges what it makes handshakes from without a lock: a connection that comes in on another thread at that
    very moment uses memory that is freed (grpc/grpc#36693, in 1.85 still), and the process dies. So it is told of
    changes alone, which were otherwise one for each connection, and the others are held up while it exchanges.
    """

    def __init__(
        self, current: Callable[[], grpc.ServerCertificateConfiguration], *, lasting_seconds: float = math.inf
    ) -> None:
        """current: what the files say now, the same object for as long as they say the same.

        lasting_seconds: after so long gRPC is told the same once more, by which it forgets the tickets that it gave
        out: it takes one for a client's certificate and looks at no date of that.
        """
        self._current = current
        self._lasting_seconds = lasting_seconds
        self._lock = threading.Lock()
        self._exchanged_at = time.monotonic()
        self.shown = current()

    def changed(self) -> grpc.ServerCertificateConfiguration | None:
        """What the files say now, None where gRPC was told already. Blocks for a moment where they have changed."""
        with self._lock:
            time.sleep(max(0.0, self._exchanged_at - time.monotonic()))
            current = self._current()
            if current is self.shown and time.monotonic() < self._exchanged_at + self._lasting_seconds:
                return None
            time.sleep(_HANDSHAKE_BEGINS_WITHIN_SECONDS)  # for those that were told just before
            self._exchanged_at = time.monotonic() + _HANDSHAKE_BEGINS_WITHIN_SECONDS
            self.shown = current
            return current


def _configuration(pair: KeyPair, authorities: bytes | None) -> grpc.ServerCertificateConfiguration:
    return grpc.ssl_server_certificate_configuration([(pair.key, pair.chain)], authorities)

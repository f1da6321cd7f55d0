"""Where a server lets calls in: a port in TLS, or in plaintext where nobody else can listen in."""

from __future__ import annotations

import threading
import time

import grpc
import structlog

from vidtomusictags.rpc.addresses import is_loopback
from vidtomusictags.rpc.certificates import KeyPair, read_authorities, read_pair
from vidtomusictags.rpc.reloading import Reloading
from vidtomusictags.rpc.settings import HostSettings

log = structlog.get_logger()

_HANDSHAKE_BEGINS_WITHIN_SECONDS = 0.1
"""From the moment a new connection is told its certificate until gRPC has begun its handshake; takes microseconds."""


def open_door(server: grpc.aio.Server, settings: HostSettings) -> int:
    """Binds the server to `settings.listen`; returns the port.

    Raises OSError where the address cannot be had or would let calls in from beyond this machine in plaintext, and
    ValueError or OSError for files of TLS that cannot be used.
    """
    credentials = _credentials(settings)
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


def _credentials(settings: HostSettings) -> grpc.ServerCredentials | None:
    """TLS whose files are looked at for every new connection; those that exist keep what they were made with."""
    certificate, key, client_ca = settings.tls_certificate, settings.tls_key, settings.tls_client_ca
    if certificate is None or key is None:
        return None
    paths = [certificate, key, *([client_ca] if client_ca else [])]

    def read() -> grpc.ServerCertificateConfiguration:
        return _configuration(read_pair(certificate, key), read_authorities(client_ca) if client_ca else None)

    files = Reloading(paths, read, lambda fault: log.warning("old file kept", what="certificate", fault=fault))
    certificates = Certificates(files)
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

    def __init__(self, files: Reloading[grpc.ServerCertificateConfiguration]) -> None:
        self._files = files
        self._lock = threading.Lock()
        self._exchanged_at = 0.0
        self.shown = files.current()

    def changed(self) -> grpc.ServerCertificateConfiguration | None:
        """What the files say now, None where gRPC was told already. Blocks for a moment where they have changed."""
        with self._lock:
            time.sleep(max(0.0, self._exchanged_at - time.monotonic()))
            current = self._files.current()
            if current is self.shown:
                return None
            time.sleep(_HANDSHAKE_BEGINS_WITHIN_SECONDS)  # for those that were told just before
            self._exchanged_at = time.monotonic() + _HANDSHAKE_BEGINS_WITHIN_SECONDS
            self.shown = current
            return current


def _configuration(pair: KeyPair, authorities: bytes | None) -> grpc.ServerCertificateConfiguration:
    return grpc.ssl_server_certificate_configuration([(pair.key, pair.chain)], authorities)

"""Where a server lets calls in: a port in TLS, or in plaintext where nobody else can listen in."""

from __future__ import annotations

import grpc
import structlog

from vidtomusictags.rpc.addresses import is_loopback
from vidtomusictags.rpc.certificates import KeyPair, read_authorities, read_pair
from vidtomusictags.rpc.reloading import Reloading
from vidtomusictags.rpc.settings import HostSettings

log = structlog.get_logger()


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
    return grpc.dynamic_ssl_server_credentials(
        files.current(), files.current, require_client_authentication=client_ca is not None
    )


def _configuration(pair: KeyPair, authorities: bytes | None) -> grpc.ServerCertificateConfiguration:
    return grpc.ssl_server_certificate_configuration([(pair.key, pair.chain)], authorities)

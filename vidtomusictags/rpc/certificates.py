"""Certificates and their keys as PEM files: read, and checked to fit together and to be in date."""

from __future__ import annotations

import ssl
from dataclasses import dataclass
from pathlib import Path

_END = "-----END CERTIFICATE-----"
_EXPIRED, _NOT_YET_VALID = 10, 9
"""X509_V_ERR_CERT_HAS_EXPIRED and X509_V_ERR_CERT_NOT_YET_VALID of OpenSSL's x509_vfy.h."""


@dataclass(frozen=True)
class KeyPair:
    """A certificate with its chain, leaf first, and the private key to it, both as PEM."""

    chain: bytes
    key: bytes


def read_pair(certificate: Path, key: Path) -> KeyPair:
    """The pair in these files. Raises OSError, or ValueError with what is wrong and nothing of what is in them.

    Wrong are: files of other kinds, a key with a passphrase, a pair that does not fit together (as in the middle of an
    exchange of both), and a certificate that is out of date.
    """
    read = KeyPair(certificate.read_bytes(), key.read_bytes())
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    try:
        context.load_cert_chain(certificate, key, password=_refuse_passphrase)
    except ssl.SSLError as error:
        if "MISMATCH" in (error.reason or ""):
            raise ValueError("the key does not belong to the certificate") from None
        raise ValueError(f"the certificate or its key cannot be used: {error.reason or 'no PEM'}") from None
    if KeyPair(certificate.read_bytes(), key.read_bytes()) != read:
        raise ValueError("the files are being written")
    try:
        _check_dates(context, read.chain)
    except ssl.SSLError as error:  # an OSError, but none of a file
        raise ValueError(f"no client could use the certificate: {error.reason or 'no handshake'}") from None
    return read


def read_authorities(path: Path) -> bytes:
    """The certificates of authorities in a PEM file. Raises OSError, or ValueError where there are none."""
    authorities = path.read_bytes()
    try:
        ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT).load_verify_locations(cadata=authorities.decode("ascii"))
    except (ssl.SSLError, ValueError):  # ValueError: it is empty or no text
        raise ValueError("there are no certificates in the file, or they cannot be read as PEM") from None
    return authorities


def _refuse_passphrase() -> str:
    raise ValueError("the key has a passphrase; give one without")


def _check_dates(server: ssl.SSLContext, chain: bytes) -> None:
    """Raises ValueError for a leaf that is out of date: found by shaking hands in memory, as a first client would."""
    client = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    client.check_hostname = False
    client.verify_flags |= ssl.VERIFY_X509_PARTIAL_CHAIN  # the leaf is its own authority here
    client.load_verify_locations(cadata=chain.decode(errors="ignore").partition(_END)[0] + _END)
    to_client, to_server = ssl.MemoryBIO(), ssl.MemoryBIO()
    ends = (
        client.wrap_bio(to_client, to_server),
        server.wrap_bio(to_server, to_client, server_side=True),
    )
    waiting = set(ends)
    while waiting:
        for end in ends:
            try:
                end.do_handshake()
            except ssl.SSLWantReadError:
                continue
            except ssl.SSLCertVerificationError as error:
                if error.verify_code == _EXPIRED:
                    raise ValueError("the certificate has expired") from None
                if error.verify_code == _NOT_YET_VALID:
                    raise ValueError("the certificate is not valid yet") from None
                return  # such as one for clients alone, whose dates its servers will look at
            waiting.discard(end)

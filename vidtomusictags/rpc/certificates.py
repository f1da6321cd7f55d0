"""Certificates and their keys as PEM files: read, and checked to fit together and to be in date."""

from __future__ import annotations

import ssl
from dataclasses import dataclass, replace
from pathlib import Path

_END = "-----END CERTIFICATE-----"
_EXPIRED, _NOT_YET_VALID = 10, 9
"""X509_V_ERR_CERT_HAS_EXPIRED and X509_V_ERR_CERT_NOT_YET_VALID of OpenSSL's x509_vfy.h."""


@dataclass(frozen=True)
class KeyPair:
    """A certificate with its chain, leaf first, and the private key to it, both as PEM.

    ends_at: Unix time in seconds at which the leaf runs out (notAfter); None where OpenSSL would not have it shown by a
    server nor by a client, which whoever it is shown to will say.
    """

    chain: bytes
    key: bytes
    ends_at: float | None = None


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
        return replace(read, ends_at=_ends_at(certificate, key, read.chain))
    except ssl.SSLError as error:  # an OSError, but none of a file
        raise ValueError(f"no client could use the certificate: {error.reason or 'no handshake'}") from None


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


def _ends_at(certificate: Path, key: Path, chain: bytes) -> float | None:
    """When the leaf runs out: found by shaking hands in memory, as a first peer would; see `KeyPair.ends_at`.

    Raises ValueError for one that is out of date, and ssl.SSLError.
    """
    leaf = chain.decode(errors="ignore").partition(_END)[0] + _END
    for shown_by_client in (False, True):
        looking = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER if shown_by_client else ssl.PROTOCOL_TLS_CLIENT)
        showing = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT if shown_by_client else ssl.PROTOCOL_TLS_SERVER)
        for context in (looking, showing) if shown_by_client else (showing,):  # a server cannot do without
            context.load_cert_chain(certificate, key, password=_refuse_passphrase)
        for context in (looking, showing):
            context.check_hostname = False
        showing.verify_mode = ssl.CERT_NONE
        looking.verify_mode = ssl.CERT_REQUIRED
        looking.verify_flags |= ssl.VERIFY_X509_PARTIAL_CHAIN  # the leaf is its own authority here
        looking.load_verify_locations(cadata=leaf)
        try:
            found = _shake_hands(looking, showing, looking_is_server=shown_by_client).getpeercert()
        except ssl.SSLCertVerificationError as error:
            if error.verify_code == _EXPIRED:
                raise ValueError("the certificate has expired") from None
            if error.verify_code == _NOT_YET_VALID:
                raise ValueError("the certificate is not valid yet") from None
            continue  # such as one for clients alone
        return float(ssl.cert_time_to_seconds(str(found["notAfter"]))) if found else None
    return None


def _shake_hands(looking: ssl.SSLContext, showing: ssl.SSLContext, *, looking_is_server: bool) -> ssl.SSLObject:
    """The end of `looking`, which has seen the other's certificate. Raises ssl.SSLError where it does not like that."""
    ours, theirs = ssl.MemoryBIO(), ssl.MemoryBIO()
    looked = looking.wrap_bio(ours, theirs, server_side=looking_is_server)
    ends = (looked, showing.wrap_bio(theirs, ours, server_side=not looking_is_server))
    waiting = set(ends)
    while waiting:
        for end in ends:
            try:
                end.do_handshake()
            except ssl.SSLWantReadError:
                continue
            waiting.discard(end)
    return looked

"""The files by which a client proves what it is and knows its servers."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

from vidtomusictags.rpc.addresses import leads_to_loopback

_TOKEN = re.compile(r"[\x21-\x7e]{1,4096}")


class CredentialsUnusable(ValueError):
    """Credentials that cannot be shown, or must not be."""


@dataclass(frozen=True)
class Credentials:
    """All files are read anew when they change, and may be exchanged while calls run.

    ca: PEM file of the authorities that a server's certificate must come from. certificate, key: PEM files of what this
    client shows. token_file: holds a bearer token and nothing else. tls: speak TLS also where there is no `ca`; servers
    are then known by the list of authorities that comes with gRPC. insecure: allow plaintext beyond this machine, for
    networks that secure it. Raises CredentialsUnusable for a certificate without a key.
    """

    ca: Path | None = None
    certificate: Path | None = None
    key: Path | None = None
    token_file: Path | None = None
    tls: bool = False
    insecure: bool = False

    def __post_init__(self) -> None:
        if (self.certificate is None) != (self.key is None):
            raise CredentialsUnusable("a certificate and its key are a pair: give both or neither")

    @property
    def by_tls(self) -> bool:
        """Whether calls travel in TLS."""
        return self.tls or self.ca is not None or self.certificate is not None

    def refuse_plaintext(self, target: str) -> None:
        """Raises CredentialsUnusable where calls to this gRPC target would leave this machine unencrypted."""
        if not self.by_tls and not self.insecure and not leads_to_loopback(target):
            raise CredentialsUnusable(
                f"refusing to speak plaintext to {target}: say which authority its certificate comes from, or that the "
                "network secures the traffic"
            )


def read_token(path: Path) -> str:
    """The bearer token in a file, without space around it. Raises OSError, or ValueError that does not show it."""
    try:
        token = path.read_text(encoding="ascii").strip()
    except UnicodeDecodeError:
        token = ""
    if not _TOKEN.fullmatch(token):
        raise ValueError("there is no token in the file: it must hold one line of printable ASCII without spaces")
    return token

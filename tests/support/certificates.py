"""Certificates for tests: an authority of one's own, and files that are exchanged as an operator would."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

import grpc
import trustme


@dataclass(frozen=True)
class Files:
    """Where a certificate and its key are."""

    certificate: Path
    key: Path


class Authority:
    """Signs certificates and writes them below a folder."""

    def __init__(self, folder: Path) -> None:
        self._ca = trustme.CA()
        self._folder = folder
        self.file = folder / "ca.pem"
        folder.mkdir(parents=True, exist_ok=True)
        self._ca.cert_pem.write_to_path(self.file)

    @property
    def pem(self) -> bytes:
        return self.file.read_bytes()

    def issue(
        self, *identities: str, name: str = "service", common_name: str | None = None, **dates: datetime
    ) -> Files:
        """A new certificate for these names and addresses, written over the last one of that name, the key first."""
        files = self.files(name)
        issued = self._ca.issue_cert(*identities, common_name=common_name or identities[0], **dates)
        files.key.write_bytes(issued.private_key_pem.bytes())
        files.certificate.write_bytes(b"".join(pem.bytes() for pem in issued.cert_chain_pems))
        return files

    def files(self, name: str) -> Files:
        """Where the certificate of that name is."""
        return Files(self._folder / f"{name}.pem", self._folder / f"{name}.key")

    def channel_credentials(self, files: Files | None = None) -> grpc.ChannelCredentials:
        """What a client needs that trusts this authority, and shows a certificate where it has one."""
        key, chain = (files.key.read_bytes(), files.certificate.read_bytes()) if files else (None, None)
        return grpc.ssl_channel_credentials(self.pem, key, chain)

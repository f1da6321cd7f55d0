"""Secrets as Kubernetes mounts them: links into a folder behind one more link, which an update moves all at once."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import count
from pathlib import Path

import trustme


def mount(secret: Mapping[str, bytes], into: Path) -> None:
    """Puts the secret's keys into the folder as files, or updates them there (kubelet's AtomicWriter)."""
    version = next(into / f"..{number}" for number in count() if not (into / f"..{number}").exists())
    version.mkdir()
    for key, value in secret.items():
        (version / key).write_bytes(value)
        if not (into / key).is_symlink():
            (into / key).symlink_to(Path("..data", key))
    (into / "..data_tmp").symlink_to(version.name)
    (into / "..data_tmp").rename(into / "..data")


def certificate_secret(authority: trustme.CA, identity: str) -> dict[str, bytes]:
    """A new certificate for the identity, as cert-manager writes it: tls.crt, tls.key and ca.crt."""
    pair = authority.issue_cert(identity)
    return {
        "ca.crt": authority.cert_pem.bytes(),
        "tls.crt": b"".join(blob.bytes() for blob in pair.cert_chain_pems),
        "tls.key": pair.private_key_pem.bytes(),
    }

"""Certificates and keys as they are read from files: when they run out, whoever they are for."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from vidtomusictags.rpc.certificates import read_pair

NOW = datetime.now(UTC).replace(microsecond=0)
PURPOSES = {
    "servers": [ExtendedKeyUsageOID.SERVER_AUTH],
    "clients": [ExtendedKeyUsageOID.CLIENT_AUTH],
    "both": [ExtendedKeyUsageOID.SERVER_AUTH, ExtendedKeyUsageOID.CLIENT_AUTH],
    "neither": [ExtendedKeyUsageOID.CODE_SIGNING],
    "anything": [],
}


def write_pair(folder: Path, purpose: str, *, ends: datetime) -> tuple[Path, Path]:
    """A certificate for that purpose alone, and its key."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "a.test")])
    builder = x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number())
    builder = builder.not_valid_before(NOW - timedelta(days=400)).not_valid_after(ends)
    builder = builder.add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
    if PURPOSES[purpose]:
        builder = builder.add_extension(x509.ExtendedKeyUsage(PURPOSES[purpose]), critical=False)
    certificate = builder.sign(key, hashes.SHA256())
    files = folder / "a.pem", folder / "a.key"
    files[0].write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
    files[1].write_bytes(
        key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    )
    return files


@pytest.mark.parametrize("purpose", ["servers", "clients", "both", "anything"])
def test_it_is_known_when_one_runs_out_whoever_it_is_for(purpose: str, tmp_path: Path) -> None:
    ends = NOW + timedelta(days=30)
    assert read_pair(*write_pair(tmp_path, purpose, ends=ends)).ends_at == ends.timestamp()
    with pytest.raises(ValueError, match="has expired"):
        read_pair(*write_pair(tmp_path, purpose, ends=NOW - timedelta(days=1)))


def test_one_that_nobody_would_accept_is_left_for_its_peers_to_refuse(tmp_path: Path) -> None:
    assert read_pair(*write_pair(tmp_path, "neither", ends=NOW + timedelta(days=30))).ends_at is None

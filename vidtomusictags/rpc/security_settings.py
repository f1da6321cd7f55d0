"""The settings of how a service proves what it is and who may call it, with their files checked at the start."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Annotated, TypeVar
from urllib.parse import urlsplit

from pydantic import AfterValidator, Field, ValidationInfo
from pydantic_settings import BaseSettings

from vidtomusictags.rpc.addresses import is_loopback
from vidtomusictags.rpc.caller_file import read_callers
from vidtomusictags.rpc.certificates import read_authorities, read_pair
from vidtomusictags.rpc.credentials import read_token
from vidtomusictags.rpc.signed_tokens import read_signed_tokens

T = TypeVar("T")


def readable(read: Callable[[], T]) -> T:
    """What `read` returns. Raises ValueError that says why a file cannot be used, and names no path and no content."""
    try:
        return read()
    except OSError as error:
        raise ValueError(f"the file cannot be read: {error.strerror}") from None


def refuse_plaintext_key(urls: Iterable[str], others: ValidationInfo) -> None:
    """Raises ValueError where a key for these HTTP servers would leave this machine unencrypted and nobody said so.

    others: of a setting declared after `insecure`.
    """
    if others.data.get("insecure", False):
        return
    for parts in map(urlsplit, urls):
        if parts.scheme.lower() == "http" and not is_loopback(f"{parts.hostname}:80"):
            raise ValueError(
                "would travel in plaintext beyond this machine: use https, or say INSECURE=true (with the service's "
                "prefix) where the network secures the traffic"
            )


def _checked_certificate(certificate: Path | None) -> Path | None:
    if certificate is not None:
        readable(certificate.read_bytes)
    return certificate


def _checked_authorities(authorities: Path | None) -> Path | None:
    if authorities is not None:
        readable(lambda: read_authorities(authorities))
    return authorities


def _checked_key(key: Path | None, others: ValidationInfo) -> Path | None:
    name = str(others.field_name).removesuffix("key") + "certificate"
    if name not in others.data:
        return key  # that one has a fault of its own
    certificate = others.data[name]
    if (certificate is None) != (key is None):
        raise ValueError(f"{name} and this are a pair: set both or neither")
    if certificate is not None and key is not None:
        readable(lambda: read_pair(certificate, key))
    return key


def _checked_token(token_file: Path | None) -> Path | None:
    if token_file is not None:
        readable(lambda: read_token(token_file))
    return token_file


def _checked_callers(tokens_file: Path | None) -> Path | None:
    if tokens_file is not None:
        readable(lambda: read_callers(tokens_file))
    return tokens_file


def _checked_keys(jwks_file: Path | None, others: ValidationInfo) -> Path | None:
    if jwks_file is not None:
        if not others.data.get("jwt_issuer") or not others.data.get("jwt_audience"):
            raise ValueError("needs jwt_issuer and jwt_audience, or tokens for others would be accepted")
        try:
            readable(lambda: read_signed_tokens(jwks_file, issuer="", audience=""))
        except ModuleNotFoundError as error:
            raise ValueError(str(error)) from error
    return jwks_file


CertificateFile = Annotated[Path | None, AfterValidator(_checked_certificate)]
AuthoritiesFile = Annotated[Path | None, AfterValidator(_checked_authorities)]
TokenFile = Annotated[Path | None, AfterValidator(_checked_token)]
KeyFile = Annotated[Path | None, AfterValidator(_checked_key), Field(validate_default=True)]
"""The key to the certificate in the setting of the same name with `certificate` for `key`, which is declared before."""


def _only_with_tls(authorities: Path | None, others: ValidationInfo) -> Path | None:
    if authorities is not None and others.data.get("tls_certificate", authorities) is None:
        raise ValueError("needs tls_certificate and tls_key: clients show certificates by TLS alone")
    return authorities


class SecuritySettings(BaseSettings):
    """How calls come in safely. Part of `HostSettings`."""

    insecure: bool = Field(False, description="Allow plaintext beyond loopback: for networks that secure it.")
    tls_certificate: CertificateFile = Field(
        None, description="PEM file of a certificate and its chain: calls come in by TLS. Read anew when it changes."
    )
    tls_key: KeyFile = Field(None, description="PEM file of the key to the certificate.")
    tls_client_ca: Annotated[AuthoritiesFile, AfterValidator(_only_with_tls)] = Field(
        None, description="PEM file of authorities: clients must then show a certificate from one of them."
    )
    tokens_file: Annotated[Path | None, AfterValidator(_checked_callers)] = Field(
        None, description="TOML file of the callers, their tokens and what they may do. Read anew when it changes."
    )
    jwt_issuer: str = Field("", description="Who signs the tokens that are accepted, as their claim `iss` says.")
    jwt_audience: str = Field("", description="What this service is called in their claim `aud`.")
    jwks_file: Annotated[Path | None, AfterValidator(_checked_keys)] = Field(
        None, description="JSON file of that issuer's public keys (JWKS). Read anew when it changes."
    )
    caller_max_calls: int = Field(0, ge=0, le=10_000, description="Calls of one caller that run at once; 0: no limit.")
    caller_requests_a_minute: int = Field(0, ge=0, description="Calls that one caller may make; 0: no limit.")
    caller_bytes_a_minute: int = Field(
        0, ge=0, description="Bytes that one caller may send, or have fetched; 0: no limit."
    )

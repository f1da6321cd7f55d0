"""The gateway's settings, from GATEWAY_* in the environment."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Self

from pydantic import Field, model_validator
from pydantic_settings import NoDecode, SettingsConfigDict

from vidtomusictags.rpc.credentials import Credentials
from vidtomusictags.rpc.security_settings import AuthoritiesFile, CertificateFile, KeyFile, TokenFile
from vidtomusictags.rpc.settings import IN_JSON, HostSettings

GIB = 1024**3


class GatewaySettings(HostSettings):
    """One gateway. Frozen; a wrong environment raises pydantic.ValidationError with every fault at once."""

    model_config = SettingsConfigDict(env_prefix="GATEWAY_", frozen=True)

    listen: str = Field("127.0.0.1:50050", description="Address and port; port 0 picks a free one.")
    captioner: str = Field(
        "127.0.0.1:50051", description="gRPC target of the captioners, such as dns:///captioner:50051."
    )
    classifier: str = Field("127.0.0.1:50052", description="gRPC target of the classifiers.")
    upstream_ca: AuthoritiesFile = Field(
        None, description="PEM file of authorities: captioner and classifier are called by TLS and must be theirs."
    )
    upstream_certificate: CertificateFile = Field(
        None, description="PEM file of the certificate that this gateway shows them."
    )
    upstream_key: KeyFile = Field(None, description="PEM file of the key to that certificate.")
    upstream_token_file: TokenFile = Field(
        None, description="File of the bearer token that this gateway shows them. Read anew when it changes."
    )
    roots: Annotated[tuple[Path, ...], NoDecode, IN_JSON] = Field(
        (), description='Directories under which file:// URIs may lead, as a JSON list: ["/clips"]. None: no file URIs.'
    )
    spool_directory: Path | None = Field(None, description="Where uploads are kept while they are used.")
    max_upload_bytes: int = Field(2 * GIB, ge=1, description="Largest upload.")
    max_spool_bytes: int = Field(8 * GIB, ge=1, description="All uploads that are kept at once.")
    first_message_seconds: float = Field(5.0, gt=0, description="How long an upload may take to send its config.")
    idle_seconds: float = Field(60.0, gt=0, description="Longest silence of a caller that has not ended its upload.")
    decode_workers: int = Field(2, ge=1, le=256, description="Processes that decode video.")
    decode_cores: int = Field(
        0, ge=0, le=1024, description="Processor cores that they share; 0: all that this process may run on."
    )
    decode_seconds: float = Field(60.0, gt=0, description="Longest that sampling one video may take.")
    caption_seconds: float = Field(300.0, gt=0, description="Longest that a caption may take, its queue included.")
    classify_seconds: float = Field(90.0, gt=0, description="Longest that a classification may take.")
    answer_seconds: float = Field(
        5.0, gt=0, description="How long a replica may take to take a call on; then another one is asked."
    )
    upstream_attempts: int = Field(
        6, ge=1, le=100, description="Times that one call to a captioner or classifier is tried, on whichever replica."
    )
    keepalive_seconds: float = Field(
        5.0,
        ge=1,
        le=3600,
        description="A replica silent for so long is pinged, and left if it is silent as long again (20 s at most). "
        "300 for services of others that keep gRPC's own limit of pings.",
    )
    heartbeat_seconds: float = Field(5.0, gt=0, le=10, description="An event is sent at least this often.")

    @model_validator(mode="after")
    def _any_upload_fits_a_minute(self) -> Self:
        if 0 < self.caller_bytes_a_minute < self.max_upload_bytes:
            raise ValueError(
                "caller_bytes_a_minute is less than max_upload_bytes, so that no caller could send the largest upload"
            )
        return self

    @property
    def upstream_credentials(self) -> Credentials:
        """What this gateway shows captioners and classifiers, and knows them by."""
        return Credentials(
            ca=self.upstream_ca,
            certificate=self.upstream_certificate,
            key=self.upstream_key,
            token_file=self.upstream_token_file,
            insecure=self.insecure,
        )

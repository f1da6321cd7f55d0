"""The gateway's settings, from GATEWAY_* in the environment."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Self

from pydantic import AfterValidator, Field, model_validator
from pydantic_settings import NoDecode, SettingsConfigDict

from gateway.sources.buckets import BucketPattern
from gateway.sources.hosts import HostPattern
from gateway.sources.rules import SourceRules
from vidtomusictags.rpc.credentials import Credentials
from vidtomusictags.rpc.security_settings import AuthoritiesFile, CertificateFile, KeyFile, TokenFile
from vidtomusictags.rpc.settings import IN_JSON, HostSettings

GIB = 1024**3
URL = r"^(https?://[!-~]+)?$"


def _checked(parse: Callable[[str], object]) -> AfterValidator:
    def check(texts: tuple[str, ...]) -> tuple[str, ...]:
        for text in texts:
            parse(text)
        return texts

    return AfterValidator(check)


HostNames = Annotated[tuple[str, ...], NoDecode, IN_JSON, _checked(HostPattern.parse)]
BucketNames = Annotated[tuple[str, ...], NoDecode, IN_JSON, _checked(BucketPattern.parse)]


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
    remote_hosts: HostNames = Field(
        (),
        description="Web servers that https:// URIs may name, as a JSON list of host, *.domain or host:port. None: no "
        "https URIs.",
    )
    remote_insecure_hosts: HostNames = Field((), description="The same for http:// URIs, which are not encrypted.")
    remote_private_hosts: HostNames = Field(
        (), description="Those of these hosts whose names may lead to addresses that are not public."
    )
    remote_ca_file: AuthoritiesFile = Field(
        None,
        description="PEM file of authorities that https:// servers may be certified by, besides the public ones. Read "
        "anew when it changes.",
    )
    remote_buckets: BucketNames = Field(
        (),
        description='Buckets that URIs may name, as a JSON list: ["s3://clips", "gs://archive/films/"]. None: no '
        "s3:// and gs:// URIs.",
    )
    s3_endpoint: str = Field("", pattern=URL, description="Service that speaks S3's protocol; empty: AWS.")
    s3_anonymous: bool = Field(False, description="Read s3:// URIs without credentials.")
    gs_endpoint: str = Field("", pattern=URL, description="Service that speaks Google Cloud Storage's protocol.")
    gs_anonymous: bool = Field(False, description="Read gs:// URIs without credentials.")
    max_remote_bytes: int = Field(8 * GIB, ge=1, description="Largest video that a remote URI may name.")
    max_remote_fetch_bytes: int = Field(2 * GIB, ge=1, description="Most that is fetched of one remote video.")
    remote_seconds: float = Field(120.0, gt=0, description="Longest that fetching one remote video may take.")
    remote_idle_seconds: float = Field(10.0, gt=0, description="Longest silence of a remote server.")
    remote_redirects: int = Field(3, ge=0, le=10, description="Redirects that are followed, each checked anew.")
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
    def _any_video_fits_a_minute(self) -> Self:
        if 0 < self.caller_bytes_a_minute < self.max_upload_bytes:
            raise ValueError(
                "caller_bytes_a_minute is less than max_upload_bytes, so that no caller could send the largest upload"
            )
        fetched = min(self.max_remote_bytes, self.max_remote_fetch_bytes)
        is_remote = self.remote_hosts or self.remote_insecure_hosts or self.remote_buckets
        if is_remote and 0 < self.caller_bytes_a_minute < fetched:
            raise ValueError(
                "caller_bytes_a_minute is less than max_remote_fetch_bytes (or max_remote_bytes), so that the largest "
                "video would be fetched in vain, again and again"
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

    @property
    def source_rules(self) -> SourceRules:
        """What URIs may name, and what reading it may cost."""
        return SourceRules(
            roots=self.roots,
            hosts=self.remote_hosts,
            insecure_hosts=self.remote_insecure_hosts,
            private_hosts=self.remote_private_hosts,
            ca_file=self.remote_ca_file,
            buckets=self.remote_buckets,
            s3_endpoint=self.s3_endpoint,
            s3_anonymous=self.s3_anonymous,
            gs_endpoint=self.gs_endpoint,
            gs_anonymous=self.gs_anonymous,
            max_bytes=self.max_remote_bytes,
            max_fetched_bytes=self.max_remote_fetch_bytes,
            total_seconds=self.remote_seconds,
            idle_seconds=self.remote_idle_seconds,
            redirects=self.remote_redirects,
        )

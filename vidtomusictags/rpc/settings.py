"""The settings that every service has, because every service is hosted alike."""

from __future__ import annotations

import json
from typing import Literal

from pydantic import AliasChoices, BeforeValidator, Field
from pydantic_settings import SettingsConfigDict

from vidtomusictags.rpc.security_settings import SecuritySettings


def _decoded(value: object) -> object:
    if not isinstance(value, str):
        return value
    try:
        return json.loads(value)
    except ValueError:
        raise ValueError('must be JSON, such as ["one", "two"]') from None


IN_JSON = BeforeValidator(_decoded)
"""For settings that hold several values, with pydantic-settings' NoDecode: left to decode them itself, it stops at the
first that is no JSON and tells nothing of the other faults."""


class HostSettings(SecuritySettings):
    """How a service listens, how much it takes in, how it goes. Services add their own and set the prefix."""

    # hide_input_in_errors: it may be a key. env_ignore_empty: what is set to nothing is not set.
    model_config = SettingsConfigDict(hide_input_in_errors=True, env_ignore_empty=True)

    listen: str = Field("127.0.0.1:0", description="Address and port; port 0 picks a free one.")
    health_listen: str = Field(
        "",
        pattern=r"^(.+:\d+)?$",
        description="Address and port of health alone, in plaintext and without credentials, for probes; empty: none.",
    )
    reflection: bool = Field(True, description="Let clients such as grpcurl ask for the contract.")
    log_level: Literal["DEBUG", "INFO", "WARNING", "ERROR"] = Field("INFO", description="Least level that is logged.")
    metrics_listen: str = Field(
        "", pattern=r"^(.+:\d+)?$", description="Address and port of metrics for Prometheus; empty: none."
    )
    traces_endpoint: str = Field(
        "",
        pattern=r"^(https?://.+)?$",
        description="Collector of traces (OTLP over gRPC), such as http://host:4317; empty: as OTEL_* say, or none.",
    )
    traces_sample_ratio: float | None = Field(
        None,
        ge=0,
        le=1,
        description="Share of the traces that begin here; not set: as OTEL_TRACES_SAMPLER says, else all.",
    )
    traces_trust_callers: bool = Field(
        True,
        description="Follow traces that callers began, kept or not as they decided; false: begin one for each call, "
        "linked to its caller's.",
    )
    otel_endpoint: str = Field(
        "",
        validation_alias=AliasChoices("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "OTEL_EXPORTER_OTLP_ENDPOINT"),
        description="The same for every service, as OpenTelemetry's own tools read it.",
    )
    max_calls: int = Field(64, ge=1, le=10_000, description="Calls that run at once; one more is refused.")
    max_call_seconds: float = Field(600.0, gt=0, description="Longest a call may take, whatever its deadline.")
    max_connection_age_seconds: float = Field(
        300.0, ge=1, le=86_400, description="Age at which a connection takes no new calls, so that replicas are found."
    )
    drain_announce_seconds: float = Field(
        5.0, ge=0, le=300, description="How long calls still come in after NOT_SERVING is announced."
    )
    drain_grace_seconds: float = Field(30.0, ge=0, le=3600, description="How long running calls have to finish after.")

    @property
    def spans_to(self) -> str:
        """The collector of traces; empty for none."""
        return self.traces_endpoint or self.otel_endpoint

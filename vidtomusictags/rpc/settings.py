"""The settings that every service has, because every service is hosted alike."""

from __future__ import annotations

import json
from typing import Literal

from pydantic import BeforeValidator, Field
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

    model_config = SettingsConfigDict(hide_input_in_errors=True)  # it may be a key

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
    max_calls: int = Field(64, ge=1, le=10_000, description="Calls that run at once; one more is refused.")
    max_call_seconds: float = Field(600.0, gt=0, description="Longest a call may take, whatever its deadline.")
    drain_announce_seconds: float = Field(
        5.0, ge=0, le=300, description="How long calls still come in after NOT_SERVING is announced."
    )
    drain_grace_seconds: float = Field(30.0, ge=0, le=3600, description="How long running calls have to finish after.")

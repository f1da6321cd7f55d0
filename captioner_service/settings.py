"""The captioner's settings, from CAPTIONER_* in the environment."""

from __future__ import annotations

from pydantic import Field
from pydantic_settings import SettingsConfigDict

from vidtomusictags.rpc.settings import HostSettings


class CaptionerSettings(HostSettings):
    """One captioner. Frozen; a wrong environment raises pydantic.ValidationError with every fault at once."""

    model_config = SettingsConfigDict(env_prefix="CAPTIONER_", frozen=True)

    listen: str = Field("127.0.0.1:50051", description="Address and port; port 0 picks a free one.")
    engine: str = Field("embedded", description="Caption engine.")
    default_prompt: str = Field("concise", description="Prompt template that is used where a caller names none.")
    max_queued_clips: int = Field(32, ge=1, le=10_000, description="Clips that wait; one more is refused.")
    max_batch_wait_seconds: float = Field(
        0.01, ge=0, le=1, description="How long the first clip of a batch waits for others."
    )
    first_message_seconds: float = Field(5.0, gt=0, description="How long a stream may take to send its config.")
    idle_seconds: float = Field(60.0, gt=0, description="Longest silence of a caller that has not ended its input.")

"""The captioner's settings, from CAPTIONER_* in the environment."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field, SecretStr, ValidationInfo, field_validator
from pydantic_settings import NoDecode, SettingsConfigDict

from vidtomusictags.rpc.security_settings import refuse_plaintext_key
from vidtomusictags.rpc.settings import IN_JSON, HostSettings


class CaptionerSettings(HostSettings):
    """One captioner. Frozen; a wrong environment raises pydantic.ValidationError with every fault at once."""

    model_config = SettingsConfigDict(env_prefix="CAPTIONER_", frozen=True)

    listen: str = Field("127.0.0.1:50051", description="Address and port; port 0 picks a free one.")
    engine: str = Field("embedded", description="Caption engine: embedded, instant, openai or transformers.")
    default_prompt: str = Field("concise", description="Prompt template that is used where a caller names none.")
    max_queued_clips: int = Field(32, ge=1, le=10_000, description="Clips that wait; one more is refused.")
    max_batch_wait_seconds: float = Field(
        0.0,
        ge=0,
        le=1,
        description="How long the first clip of a batch waits for others; 0: takes those that are there.",
    )
    first_message_seconds: float = Field(5.0, gt=0, description="How long a stream may take to send its config.")
    idle_seconds: float = Field(60.0, gt=0, description="Longest silence of a caller that has not ended its input.")

    # What the model is and how much of the machine it may take: engines transformers and openai.
    model: str = Field(
        "", description="Folder or hub id (transformers; empty: LLaVA-NeXT-Video-7B), or the endpoint's name (openai)."
    )
    revision: str = Field("", description="Commit of the model on the hub; without one its newest is taken.")
    offline: bool = Field(False, description="Take the model from the local cache only.")
    quantisation: Literal["auto", "none", "nf4", "int8", "prototype"] = Field(
        "auto", description="auto: none where the card holds 16 bits with room for batches, else nf4."
    )
    precision: Literal["auto", "float32", "bfloat16", "float16"] = Field("auto", description="Arithmetic.")
    decoding: Literal["eager", "compiled"] = Field(
        "eager", description="compiled: steps by torch.compile, on a card as CUDA graphs; minutes more to start."
    )
    device: str = Field("auto", pattern=r"^(auto|cpu|cuda(:\d+)?)$", description="auto, cpu, cuda or cuda:N.")
    max_slots: int = Field(32, ge=1, le=1024, description="Most clips described at once; memory may allow fewer.")
    context_tokens: int = Field(
        2048, ge=64, le=1_000_000, description="Most tokens of a clip, prompt and text together."
    )
    max_new_tokens: int = Field(512, ge=1, le=8192, description="Most tokens of one text.")
    default_frames: int = Field(8, ge=1, le=64, description="Frames that a clip is best sampled to.")
    max_frames: int = Field(64, ge=1, le=64, description="Most frames of a clip; the context may allow fewer.")
    frame_short_side_pixels: int = Field(
        0, ge=0, le=2048, description="Wanted size of frames; 0: what the model takes."
    )
    prefix_clips: int = Field(1, ge=0, le=64, description="Clips whose prefill is kept for further questions on them.")
    reserve_gib: float = Field(1.5, ge=0, description="Memory of the device kept free beside model and slots.")
    threads: int = Field(0, ge=0, le=256, description="Threads of torch on a CPU; 0: as torch decides.")

    # How long the model's process may be silent and how often it may be lost: engine transformers.
    max_load_seconds: float = Field(1800.0, gt=0, description="Longest a model may take to load, download included.")
    max_step_seconds: float = Field(
        60.0, gt=0, description="Longest silence of the model's process before it is ended."
    )
    max_restarts: int = Field(5, ge=0, le=1000, description="Losses of the model's process that are made good ...")
    restart_window_seconds: float = Field(600.0, gt=0, description="... within this time; one more ends readiness.")
    canary_file: Path | None = Field(None, description="Where the fixed clip's tokens are remembered between starts.")

    # Where else the model is: engine openai.
    openai_base_urls: Annotated[tuple[str, ...], NoDecode, IN_JSON] = Field(
        (), description='Endpoints, as JSON: ["http://vllm-0:8000/v1", ...].'
    )
    openai_api_key: SecretStr = Field(SecretStr(""), description="Key of the endpoints; empty where they want none.")
    openai_max_concurrent: int = Field(64, ge=1, le=10_000, description="Clips at one endpoint at once.")
    openai_attempts: int = Field(3, ge=1, le=10, description="Times that a clip is tried, on whichever endpoint.")

    @field_validator("openai_api_key")
    @classmethod
    def _secured(cls, key: SecretStr, others: ValidationInfo) -> SecretStr:
        if key.get_secret_value():
            refuse_plaintext_key(others.data.get("openai_base_urls", ()), others)
        return key

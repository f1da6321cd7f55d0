"""The classifier's settings, from CLASSIFIER_* in the environment."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field, SecretStr, ValidationInfo, field_validator
from pydantic_settings import NoDecode, SettingsConfigDict

from classifier_service.budget import Limits
from classifier_service.calibration import Calibrations
from classifier_service.engines.instructor.endpoint import endpoint
from classifier_service.engines.instructor.options import InstructorOptions
from classifier_service.engines.instructor.pacing import Pace
from classifier_service.engines.instructor.shortlisting import SizeLimits
from classifier_service.engines.options import EngineOptions, unbounded
from vidtomusictags.rpc.security_settings import refuse_plaintext_key
from vidtomusictags.rpc.settings import IN_JSON, HostSettings
from vidtomusictags.rpc.telemetry import SILENT, Telemetry

AUTO = "auto"

_Listed = Annotated[tuple[str, ...], NoDecode]


class ClassifierSettings(HostSettings):
    """One classifier. Frozen; a wrong environment raises pydantic.ValidationError with every fault at once."""

    model_config = SettingsConfigDict(env_prefix="CLASSIFIER_", frozen=True)

    listen: str = Field("127.0.0.1:50052", description="Address and port; port 0 picks a free one.")
    engine: str = Field(
        AUTO, description="Classification engine; `auto`: `instructor` with a key or base URL, else `embedded`."
    )
    default_taxonomy: str = Field("music-moods", description="Taxonomy that is used where a caller names none.")
    taxonomy_directories: Annotated[tuple[Path, ...], NoDecode, IN_JSON] = Field(
        (), description='Further directories of taxonomies (*.yaml), as a JSON list: ["/taxonomies"].'
    )
    calibrations: Path | None = Field(
        None, description="Directory of calibrations (*.json), as `vidtags calibrate` writes them."
    )
    max_call_seconds: float = Field(120.0, gt=0, description="Longest a call may take, whatever its deadline.")

    model: str = Field("openai/gpt-4o", description="Language model as provider/model.")
    base_url: str | None = Field(None, description="Address of a server that speaks OpenAI's protocol.")
    api_key: SecretStr | None = Field(None, description="Key for the model's provider.")
    api_keys: Annotated[Mapping[str, SecretStr], NoDecode, IN_JSON] = Field(
        {}, description='Keys for other providers among the fall-backs, as JSON: {"anthropic": "..."}.'
    )
    api_version: str | None = Field(None, description="Version of Azure's API.")
    capabilities: _Listed | None = Field(
        None, description="What the endpoint can do, comma-separated; not set: all is tried, refusals are remembered."
    )
    temperature: float = Field(0.0, ge=0, le=2, description="Temperature of a single opinion.")
    seed: int | None = Field(7, description="Seed, where the provider knows seeds.")
    reasks: int = Field(3, ge=0, le=10, description="How often a wrong answer is asked again.")
    invalid_answers: Literal["drop", "refuse"] = Field(
        "drop", description="What becomes of what is still wrong then: left out with a warning, or all refused."
    )
    max_output_tokens: int = Field(2_000, ge=64, le=100_000, description="Longest answer of the model.")
    tries: int = Field(3, ge=1, le=10, description="Tries of a request that fails for a passing reason, in all.")
    attempt_seconds: float = Field(60.0, gt=0, description="Longest that one request to the model may take.")
    samples: int = Field(1, ge=1, le=20, description="Opinions of the model; several are combined.")
    sample_temperature: float = Field(0.7, ge=0, le=2, description="Temperature of several opinions.")
    logprobs: bool = Field(False, description="Weigh confidences by token probabilities, where there are any.")
    prompt: str = Field("publisher", description="Prompt template.")
    business_context: str = Field("", description="Who the tags are for, in place of the prompt's own words.")
    prices: Path | None = Field(None, description="Price list (TOML) in place of the packaged one.")
    max_concurrent_requests: int = Field(8, ge=1, le=1_000, description="Requests to the model at a time.")
    requests_per_minute: int | None = Field(None, ge=1, description="Requests to the model a minute.")
    tokens_per_minute: int | None = Field(None, ge=1, description="Tokens of requests to the model a minute.")
    budget_usd_per_call: float | None = Field(None, gt=0, description="Most that one call may cost, estimated.")
    budget_usd_per_day: float | None = Field(None, gt=0, description="Most that a day (UTC) may cost, estimated.")
    budget_tokens_per_call: int | None = Field(None, ge=1, description="Most tokens of one call.")
    budget_tokens_per_day: int | None = Field(None, ge=1, description="Most tokens of a day (UTC).")
    most_tags: int = Field(250, ge=2, le=1_000, description="Larger taxonomies go to the model as a shortlist.")
    shortlist_tags: int = Field(150, ge=1, le=1_000, description="Tags of a shortlist.")
    fallbacks: _Listed = Field(
        (),
        description="Engines that answer when the model cannot, in order, comma-separated: embedded or provider/model.",
    )
    breaker_failures: int = Field(
        0, ge=0, description="Failures in a row after which the provider is left alone for a while; 0: never."
    )
    breaker_seconds: float = Field(30.0, gt=0, description="How long it is left alone.")
    log_texts: bool = Field(False, description="Log prompts and answers, at log level DEBUG. Summaries are in them.")

    @field_validator("fallbacks", "capabilities", mode="before")
    @classmethod
    def _listed(cls, value: object) -> object:
        return tuple(part for raw in value.split(",") if (part := raw.strip())) if isinstance(value, str) else value

    @field_validator("api_key")
    @classmethod
    def _secured(cls, key: SecretStr | None, others: ValidationInfo) -> SecretStr | None:
        if key is not None and (url := others.data.get("base_url")):
            refuse_plaintext_key([url], others)
        return key

    @property
    def chosen_engine(self) -> str:
        """The engine by name, with `auto` resolved: once, here, and never again while the service runs."""
        if self.engine != AUTO:
            return self.engine
        return "instructor" if self.api_key or self.base_url else "embedded"

    def engine_options(
        self, remaining_seconds: Callable[[], float] = unbounded, telemetry: Telemetry = SILENT
    ) -> EngineOptions:
        """What engines are told. Raises ValueError for a model that cannot be named so."""
        options = InstructorOptions(
            endpoint=endpoint(self.model, base_url=self.base_url, key=self.api_key, api_version=self.api_version),
            temperature=self.temperature,
            seed=self.seed,
            reasks=self.reasks,
            invalid_answers=self.invalid_answers,
            max_output_tokens=self.max_output_tokens,
            tries=self.tries,
            attempt_seconds=self.attempt_seconds,
            samples=self.samples,
            sample_temperature=self.sample_temperature,
            logprobs=self.logprobs,
            capabilities=self.capabilities,
            prompt=self.prompt,
            business_context=self.business_context,
            pace=Pace(self.max_concurrent_requests, self.requests_per_minute, self.tokens_per_minute),
            sizes=SizeLimits(most_tags=self.most_tags, shortlist_tags=min(self.shortlist_tags, self.most_tags)),
            budget=Limits(
                self.budget_usd_per_call,
                self.budget_usd_per_day,
                self.budget_tokens_per_call,
                self.budget_tokens_per_day,
            ),
            prices=self.prices,
            breaker_failures=self.breaker_failures,
            breaker_seconds=self.breaker_seconds,
            log_texts=self.log_texts,
        )
        fallbacks = [name if name == "embedded" else self._fallback(name, options) for name in self.fallbacks]
        return EngineOptions(options, fallbacks, remaining_seconds, Calibrations.load(self.calibrations), telemetry)

    def _fallback(self, name: str, options: InstructorOptions) -> InstructorOptions:
        """Another model: of the same provider at the same address, or of one with a key of its own."""
        provider = name.partition("/")[0]
        if provider == options.endpoint.provider or "/" not in name:
            there = endpoint(name, base_url=self.base_url, key=self.api_key, api_version=self.api_version)
        else:
            there = endpoint(name, key=self.api_keys.get(provider))
        return replace(options, endpoint=there, capabilities=None)

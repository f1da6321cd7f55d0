"""Where a model is reached: its provider, its name, its address, the key."""

from __future__ import annotations

from dataclasses import dataclass

from pydantic import SecretStr

COMPATIBLE = {
    "openai": "https://api.openai.com/v1",
    "ollama": "http://localhost:11434/v1",
    "vllm": "http://localhost:8000/v1",
    "litellm": "http://localhost:4000/v1",
}
"""Providers that speak OpenAI's protocol, and where they listen unless told otherwise."""
AZURE = "azure_openai"


@dataclass(frozen=True)
class Endpoint:
    """One model of one provider. key: never shown, not even by repr. api_version: of Azure's API alone."""

    provider: str
    model: str
    base_url: str | None = None
    key: SecretStr | None = None
    api_version: str = "2024-10-21"

    @property
    def name(self) -> str:
        """`provider/model`."""
        return f"{self.provider}/{self.model}"

    @property
    def speaks_openai(self) -> bool:
        """Whether OpenAI's own client can talk to it."""
        return self.provider in COMPATIBLE or self.provider == AZURE


def endpoint(
    name: str, *, base_url: str | None = None, key: SecretStr | None = None, api_version: str | None = None
) -> Endpoint:
    """Reads `provider/model`, or a model's bare name, which means OpenAI's protocol.

    At an address of one's own the protocol is OpenAI's: there `openai/`, `ollama/`, `vllm/` and `litellm/` are left off
    the name, and any other slash belongs to it, as in `Qwen/Qwen2.5-7B-Instruct`.
    Raises ValueError for a name that is empty, and for a provider that needs an address and has none.
    """
    provider, slash, model = name.strip().partition("/")
    known = provider in COMPATIBLE or provider == AZURE
    if not slash or (base_url and not known):
        provider, model = "openai", name.strip()
    if not model or not provider:
        raise ValueError(f"a model is named provider/model, such as openai/gpt-4o, not {name!r}")
    if provider == AZURE and not base_url:
        raise ValueError("Azure has no common address; set CLASSIFIER_BASE_URL to the endpoint of your resource")
    version = {"api_version": api_version} if api_version else {}
    return Endpoint(provider, model, base_url or COMPATIBLE.get(provider), key, **version)

"""What the environment says, and the engine that follows from it."""

from __future__ import annotations

from typing import Any

import pytest
from pydantic import ValidationError

from classifier_service.app import running
from classifier_service.engines import open_engine
from classifier_service.engines.instructor.endpoint import endpoint
from classifier_service.engines.instructor.options import InstructorOptions
from classifier_service.settings import ClassifierSettings


def settled(**told: Any) -> ClassifierSettings:
    return ClassifierSettings(**told)


@pytest.fixture(autouse=True)
def bare_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("CLASSIFIER_ENGINE", "CLASSIFIER_API_KEY", "CLASSIFIER_BASE_URL", "CLASSIFIER_MODEL"):
        monkeypatch.delenv(name, raising=False)


def test_without_a_key_the_embedded_engine_answers() -> None:
    assert settled().chosen_engine == "embedded"


@pytest.mark.parametrize("name", ["CLASSIFIER_API_KEY", "CLASSIFIER_BASE_URL"])
def test_with_a_key_or_an_address_the_language_model_answers(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(name, "http://127.0.0.1:1/v1")
    assert settled().chosen_engine == "instructor"


def test_a_key_that_was_set_for_other_programs_spends_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "sk-of-somebody")
    assert settled().chosen_engine == "embedded"


def test_an_engine_that_is_named_is_taken(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CLASSIFIER_API_KEY", "sk-x")
    monkeypatch.setenv("CLASSIFIER_ENGINE", "embedded")
    assert settled().chosen_engine == "embedded"


def test_keys_are_never_shown(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CLASSIFIER_API_KEY", "sk-secret")
    monkeypatch.setenv("CLASSIFIER_API_KEYS", '{"anthropic": "sk-other-secret"}')
    settings = settled(fallbacks=("anthropic/claude-sonnet-4-5",))
    shown = f"{settings!r} {settings} {settings.engine_options()!r} {settings.model_dump()}"
    assert "secret" not in shown.replace("SecretStr", "")


@pytest.mark.parametrize("url", ["http://vllm:8000/v1", "http://10.0.0.1/v1", "HTTP://vllm/v1"])
def test_a_key_leaves_this_machine_in_plaintext_only_where_somebody_said_so(
    url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CLASSIFIER_API_KEY", "sk-secret")
    monkeypatch.setenv("CLASSIFIER_BASE_URL", url)
    with pytest.raises(ValidationError, match="would travel in plaintext") as caught:
        ClassifierSettings()
    assert "sk-secret" not in str(caught.value)
    monkeypatch.setenv("CLASSIFIER_INSECURE", "true")
    assert ClassifierSettings().base_url == url


@pytest.mark.parametrize("url", ["https://vllm:8000/v1", "http://127.0.0.1:8000/v1", "http://[::1]:8000/v1"])
def test_a_key_goes_to_this_machine_and_by_tls(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CLASSIFIER_API_KEY", "sk-secret")
    monkeypatch.setenv("CLASSIFIER_BASE_URL", url)
    assert ClassifierSettings().base_url == url


def test_every_fault_of_the_environment_is_told_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CLASSIFIER_TEMPERATURE", "hot")
    monkeypatch.setenv("CLASSIFIER_REASKS", "-1")
    monkeypatch.setenv("CLASSIFIER_INVALID_ANSWERS", "keep")
    with pytest.raises(ValidationError) as raised:
        settled()
    assert {error["loc"][0] for error in raised.value.errors()} == {"temperature", "reasks", "invalid_answers"}


def test_lists_are_written_with_commas(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CLASSIFIER_FALLBACKS", " openai/gpt-4o-mini , embedded,")
    monkeypatch.setenv("CLASSIFIER_CAPABILITIES", "temperature,seed")
    settings = settled()
    assert settings.fallbacks == ("openai/gpt-4o-mini", "embedded")
    assert settings.engine_options().instructor.capabilities == ("temperature", "seed")


def test_a_fall_back_of_another_provider_gets_its_own_key_and_not_ours() -> None:
    settings = settled(
        api_key="sk-ours",
        base_url="http://127.0.0.1:1/v1",
        api_keys={"anthropic": "sk-theirs"},
        fallbacks=("anthropic/claude", "openai/small"),
    )
    other, same = settings.engine_options().fallbacks
    assert isinstance(other, InstructorOptions) and isinstance(same, InstructorOptions)
    assert other.endpoint.key and other.endpoint.key.get_secret_value() == "sk-theirs"
    assert (other.endpoint.base_url, same.endpoint.base_url) == (None, "http://127.0.0.1:1/v1")
    assert same.endpoint.key and same.endpoint.key.get_secret_value() == "sk-ours"


NAMES = {
    ("gpt-4o", None): ("openai", "gpt-4o", "https://api.openai.com/v1"),
    ("openai/gpt-4o", None): ("openai", "gpt-4o", "https://api.openai.com/v1"),
    ("openai/gpt-4o", "http://x/v1"): ("openai", "gpt-4o", "http://x/v1"),
    ("ollama/llama3.2", None): ("ollama", "llama3.2", "http://localhost:11434/v1"),
    ("Qwen/Qwen2.5-7B-Instruct", "http://x/v1"): ("openai", "Qwen/Qwen2.5-7B-Instruct", "http://x/v1"),
    ("google/gemma-2-2b-it", "http://x/v1"): ("openai", "google/gemma-2-2b-it", "http://x/v1"),
    ("vllm/Qwen/Qwen2.5-7B", "http://x/v1"): ("vllm", "Qwen/Qwen2.5-7B", "http://x/v1"),
    ("anthropic/claude-sonnet-4-5", None): ("anthropic", "claude-sonnet-4-5", None),
}


@pytest.mark.parametrize(("name", "url"), NAMES.keys())
def test_a_model_is_named_as_people_name_it(name: str, url: str | None) -> None:
    found = endpoint(name, base_url=url)
    assert (found.provider, found.model, found.base_url) == NAMES[name, url]


@pytest.mark.parametrize("name", ["", " ", "openai/", "/gpt-4o", "azure_openai/gpt-4o"])
def test_a_model_that_cannot_be_reached_by_its_name_is_refused(name: str) -> None:
    with pytest.raises(ValueError, match=r"model|Azure"):
        endpoint(name)


async def test_a_service_without_a_key_does_not_start_and_says_why() -> None:
    with pytest.raises(ValueError, match="CLASSIFIER_API_KEY"):
        async with running(settled(engine="instructor", listen="127.0.0.1:0")):
            pass


@pytest.mark.parametrize(
    ("setting", "value", "said"),
    [
        ("prompt", "poet", "there is no prompt 'poet'"),
        ("capabilities", "telepathy", "there is no capability 'telepathy'"),
        ("model", "nobody/nothing", "nobody/nothing cannot be used"),
        ("fallbacks", "nobody/nothing", "nobody/nothing cannot be used"),
        ("budget_usd_per_day", 1.0, "price"),
    ],
)
async def test_options_that_cannot_be_kept_stop_the_start(setting: str, value: object, said: str) -> None:
    told: dict[str, object] = {"engine": "instructor", "api_key": "sk-x", "model": "openai/our-own", setting: value}
    if setting != "model":
        told["base_url"] = "http://127.0.0.1:1/v1"
    with pytest.raises(ValueError, match=said):
        async with running(settled(listen="127.0.0.1:0", **told)):
            pass


def test_an_unknown_engine_is_refused_with_those_that_exist() -> None:
    with pytest.raises(ValueError, match="embedded, instructor"):
        open_engine("psychic")

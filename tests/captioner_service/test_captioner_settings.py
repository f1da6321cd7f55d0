"""The captioner's settings."""

from __future__ import annotations

import pytest
from pydantic import ValidationError

from captioner_service.settings import CaptionerSettings


def test_a_key_leaves_this_machine_in_plaintext_only_where_somebody_said_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CAPTIONER_OPENAI_BASE_URLS", '["https://vllm-0/v1", "http://vllm-1:8000/v1"]')
    assert CaptionerSettings().openai_base_urls  # there is no key to lose
    monkeypatch.setenv("CAPTIONER_OPENAI_API_KEY", "sk-secret")
    with pytest.raises(ValidationError, match="would travel in plaintext") as caught:
        CaptionerSettings()
    assert "sk-secret" not in str(caught.value)
    monkeypatch.setenv("CAPTIONER_INSECURE", "true")
    assert CaptionerSettings().openai_base_urls


def test_a_key_goes_to_this_machine_and_by_tls(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CAPTIONER_OPENAI_API_KEY", "sk-secret")
    monkeypatch.setenv("CAPTIONER_OPENAI_BASE_URLS", '["https://vllm-0/v1", "http://localhost:8000/v1"]')
    assert CaptionerSettings().openai_base_urls

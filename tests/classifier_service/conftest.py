"""What the tests of taxonomies share: a file's faults and warnings as people read them."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from classifier_service.taxonomy_file import inspect_taxonomy

Findings = Callable[[str | bytes], list[str]]


@pytest.fixture
def faults_in() -> Findings:
    """The faults of a text that calls itself house-moods.yaml."""

    def read(text: str | bytes) -> list[str]:
        return [str(fault) for fault in inspect_taxonomy(text, name="house-moods.yaml").faults]

    return read


@pytest.fixture
def warnings_in(faults_in: Findings) -> Findings:
    """The warnings about a sound text that calls itself house-moods.yaml."""

    def read(text: str | bytes) -> list[str]:
        assert faults_in(text) == []
        return [str(warning) for warning in inspect_taxonomy(text, name="house-moods.yaml").warnings]

    return read


@pytest.fixture
def taxonomies_encoded_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """For tests of services whose embedded engine is not what is tested."""
    from encoded_taxonomies import embed_once  # only here: most tests need no onnxruntime

    monkeypatch.setattr("classifier_service.engines.embedded.taxonomy_encoding.embed", embed_once)

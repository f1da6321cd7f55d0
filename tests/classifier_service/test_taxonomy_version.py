"""Which version is newer."""

from __future__ import annotations

import pytest

from classifier_service.taxonomy_version import precedence


def test_versions_follow_the_order_of_semver_with_releases_after_all_pre_releases() -> None:
    in_order = [
        "1.0.0-alpha",
        "1.0.0-alpha.1",
        "1.0.0-alpha.beta",
        "1.0.0-beta",
        "1.0.0-beta.2",
        "1.0.0-beta.11",
        "1.0.0-rc.1",
        "2.0.0-rc.1",
        "0.9.0",
        "0.10.0",
        "1.0.0",
        "1.0.10",
        "1.2.0",
        "10.0.0",
    ]
    assert sorted(reversed(in_order), key=precedence) == in_order


def test_what_is_no_version_has_no_place_in_the_order() -> None:
    with pytest.raises(ValueError, match="not a semantic version: 1"):
        precedence("1")

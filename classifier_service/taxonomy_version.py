"""The order of versions, so that the newest can be found."""

from __future__ import annotations

from classifier_service.taxonomy_values import VERSION

Precedence = tuple[bool, tuple[int, int, int], tuple[tuple[bool, int, str], ...]]


def precedence(version: str) -> Precedence:
    """Sorts as https://semver.org says, except that every release comes after every pre-release.

    So `music-moods` never means 2.0.0-beta.1 while a 1.0.0 is served; who wants the beta names it.
    Raises ValueError for what is not a semantic version.
    """
    found = VERSION.fullmatch(version)
    if found is None:
        raise ValueError(f"not a semantic version: {version}")
    major, minor, patch, pre_release = found.groups()
    # Numbers come before words; a longer list of equal beginning comes later, as tuples compare.
    parts = tuple(
        (False, int(part), "") if part.isdigit() else (True, 0, part) for part in (pre_release or "").split(".") if part
    )
    return pre_release is None, (int(major), int(minor), int(patch)), parts

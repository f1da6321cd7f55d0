"""Results in JSON's own types."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields, is_dataclass
from typing import Any


def plain(value: object) -> Any:
    """A value built of dataclasses, mappings and sequences as dicts and lists, fields in the order of their class."""
    if is_dataclass(value) and not isinstance(value, type):
        return {field.name: plain(getattr(value, field.name)) for field in fields(value)}
    if isinstance(value, Mapping):
        return {str(key): plain(value[key]) for key in sorted(value)}
    if isinstance(value, list | tuple):
        return [plain(entry) for entry in value]
    return value


def share(value: float) -> float:
    """A share of 1 as it was meant, without the digits that a 32 bit float adds when it is widened."""
    return round(value, 6)

"""Prompts for language models: named, versioned files beside this module."""

from __future__ import annotations

import hashlib
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, replace
from importlib.resources import files

MOST_CONTEXT_CHARACTERS = 8_000


@dataclass(frozen=True)
class Template:
    """Instructions in stock. business_context: who the tags are for, in the publisher's own words.

    version: with a context of the publisher's own, that of the file and the first digits of the context's sha256.
    """

    name: str
    version: str
    description: str
    business_context: str
    instructions: str

    @property
    def title(self) -> str:
        """`name@version`, for provenance."""
        return f"{self.name}@{self.version}"

    def with_context(self, business_context: str) -> Template:
        """The same instructions for another publisher. Raises ValueError for a context that is empty or too long."""
        text = business_context.strip()
        if not text or len(text) > MOST_CONTEXT_CHARACTERS:
            raise ValueError(f"a business context has 1 to {MOST_CONTEXT_CHARACTERS} characters, not {len(text)}")
        digest = hashlib.sha256(text.encode()).hexdigest()
        return replace(self, business_context=text, version=f"{self.version}+context.{digest[:8]}")


def packaged_templates() -> Mapping[str, Template]:
    """The templates that come with the service, by name."""
    loaded = {}
    for file in sorted(files(__package__).iterdir(), key=lambda item: item.name):
        if file.name.endswith(".toml"):
            content = tomllib.loads(file.read_text(encoding="utf-8"))
            loaded[content["name"]] = Template(**{name: value.strip() for name, value in content.items()})
    return loaded


def named_template(name: str) -> Template:
    """The template of that name. Raises ValueError with the names that exist for any other."""
    templates = packaged_templates()
    if name not in templates:
        raise ValueError(f"there is no prompt {name!r}; there is: {', '.join(sorted(templates))}")
    return templates[name]

"""Prompt templates: named, versioned files beside this module, and what a caller may bring instead."""

from __future__ import annotations

import hashlib
import re
import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib.resources import files

from captioner_service.clip import Prompt
from vidtomusictags.rpc.failures import InvalidRequest, UnknownPrompt

MAX_PROMPT_CHARACTERS = 2000
_MODEL_TOKENS = re.compile(r"<\|?/?[A-Za-z_][A-Za-z0-9_ ]{0,38}\|?>|\[/?INST\]", re.IGNORECASE)
"""Placeholders and special tokens of chat templates: `<video>`, `<|im_start|>`, `</s>`, `[INST]` and their like."""


@dataclass(frozen=True)
class Template:
    """A prompt in stock, with a line for people on what it is for."""

    prompt: Prompt
    description: str


class PromptStock:
    """The templates of this server, the default first. Raises ValueError for a default that does not exist."""

    def __init__(self, templates: Mapping[str, Template], *, default: str) -> None:
        if default not in templates:
            raise ValueError(f"there is no prompt {default!r}; there is: {', '.join(sorted(templates))}")
        self._templates = {default: templates[default], **templates}
        self._default = default

    @property
    def templates(self) -> Sequence[Template]:
        """All templates, the default first."""
        return tuple(self._templates.values())

    def default(self) -> Prompt:
        """The prompt that is used where a caller names none."""
        return self._templates[self._default].prompt

    def named(self, name: str) -> Prompt:
        """The template of that name. Raises UnknownPrompt."""
        if name not in self._templates:
            raise UnknownPrompt(
                f"There is no prompt of that name; there is: {', '.join(self._templates)}.", field="prompt.name"
            )
        return self._templates[name].prompt


def packaged_templates() -> Mapping[str, Template]:
    """The templates that come with the service, by name."""
    loaded = {}
    for file in sorted(files(__package__).iterdir(), key=lambda item: item.name):
        if file.name.endswith(".toml"):
            content = tomllib.loads(file.read_text(encoding="utf-8"))
            prompt = Prompt(name=content["name"], version=content["version"], text=content["text"].strip())
            loaded[prompt.name] = Template(prompt, content["description"])
    return loaded


def custom_prompt(text: str) -> Prompt:
    """A caller's own words, without what a model would take for structure. Raises InvalidRequest."""
    cleaned = _MODEL_TOKENS.sub("", text).strip()
    if not cleaned or len(text) > MAX_PROMPT_CHARACTERS:
        raise InvalidRequest(
            f"prompt.text must hold 1 to {MAX_PROMPT_CHARACTERS} characters of plain language.", field="prompt.text"
        )
    return Prompt(name="custom", version="", text=cleaned)


def digest_of(prompt: Prompt) -> str:
    """sha256 of the prompt's text as lower-case hex."""
    return hashlib.sha256(prompt.text.encode()).hexdigest()

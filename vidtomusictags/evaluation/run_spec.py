"""A run as it is asked for: which captioner, prompt, sampler, classifier and taxonomy, with which thresholds."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field, fields
from typing import Any

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")
SETTINGS = ("captioner", "classifier")
MAX_REPEATS = 20


class RunInvalid(ValueError):
    """A run cannot be understood; the message says what to write instead."""


@dataclass(frozen=True)
class RunSpec:
    """One run.

    captioner, classifier: the name of an engine, which is then started for this evaluation alone, or the address
    HOST:PORT of a service. captioner_settings, classifier_settings: settings of an engine that is started, such as
    {"model": "openai/gpt-4o"}, as in CLASSIFIER_MODEL. taxonomy: id, id@version or a file; empty: the default one.
    frames: 0 for what the captioner likes best. max_tags: 0 for the classifier's default. min_confidence: None for the
    served thresholds. repeats: how often each summary is classified, to see whether answers are stable.
    answers: a file of answers that were made elsewhere, instead of captioner and classifier.
    usd_per_*: prices, where the classifier tells no cost: a million tokens of prompts or answers, an hour of captioner.
    """

    name: str
    captioner: str = "embedded"
    sampler: str = "uniform"
    frames: int = 0
    prompt: str = ""
    prompt_text: str = ""
    classifier: str = "embedded"
    taxonomy: str = ""
    max_tags: int = 0
    min_confidence: float | None = None
    repeats: int = 1
    answers: str = ""
    usd_per_million_prompt_tokens: float = 0.0
    usd_per_million_completion_tokens: float = 0.0
    usd_per_captioner_hour: float = 0.0
    captioner_settings: Mapping[str, str] = field(default_factory=dict)
    classifier_settings: Mapping[str, str] = field(default_factory=dict)

    def to_dict(self) -> dict[str, Any]:
        """What differs from the defaults, and the name."""
        defaults = asdict(RunSpec(self.name))
        return {"name": self.name} | {key: value for key, value in asdict(self).items() if value != defaults[key]}

    @property
    def digest(self) -> str:
        """Equal for equal runs, whatever they are called."""
        content = {key: value for key, value in self.to_dict().items() if key != "name"}
        return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()


def parse_run(text: str) -> RunSpec:
    """NAME=key=value,key=value. Raises RunInvalid.

    `classifier.model=...` gives the setting `model` to a classifier that is started for the run.
    """
    name, equals, rest = text.partition("=")
    if not equals:
        raise RunInvalid(f"{text!r} is no run; write NAME=classifier=embedded,taxonomy=music-moods.")
    content: dict[str, Any] = {}
    for part in filter(None, (part.strip() for part in rest.split(","))):
        key, colon, value = part.partition("=")
        if not colon:
            raise RunInvalid(f"Run {name!r}: {part!r} is not key=value; with commas inside, use a file of runs.")
        content[key.strip()] = value.strip()
    return run_from(name, content)


def run_from(name: str, content: Mapping[str, Any]) -> RunSpec:
    """The run of that name, as a mapping or a file of runs has it. Raises RunInvalid."""
    if not _NAME.fullmatch(name):
        raise RunInvalid(f"{name!r} is no name of a run; use letters, digits, dots, dashes and underscores.")
    values: dict[str, Any] = {}
    settings: dict[str, dict[str, str]] = {role: {} for role in SETTINGS}
    for written, value in content.items():
        key = str(written).replace("-", "_")
        role, dot, setting = key.partition(".")
        if dot and role in SETTINGS:
            settings[role][setting] = str(value)
        elif key in _CONVERTERS:
            values[key] = _converted(name, key, value)
        else:
            raise RunInvalid(f"Run {name!r}: there is no {written!r}; there is: {', '.join(sorted(_CONVERTERS))}.")
    spec = RunSpec(name, captioner_settings=settings["captioner"], classifier_settings=settings["classifier"], **values)
    _check(spec)
    return spec


def _check(spec: RunSpec) -> None:
    limits = {
        "frames must be 0 to 256": 0 <= spec.frames <= 256,
        "max_tags must be 0 to 100": 0 <= spec.max_tags <= 100,
        "min_confidence must be 0 to 1": spec.min_confidence is None or 0 <= spec.min_confidence <= 1,
        f"repeats must be 1 to {MAX_REPEATS}": 1 <= spec.repeats <= MAX_REPEATS,
        "give prompt or prompt_text, not both": not (spec.prompt and spec.prompt_text),
    }
    for rule, kept in limits.items():
        if not kept:
            raise RunInvalid(f"Run {spec.name!r}: {rule}.")
    for role in SETTINGS:
        if getattr(spec, f"{role}_settings") and is_address(getattr(spec, role)):
            raise RunInvalid(f"Run {spec.name!r}: {role} is a running service, whose settings are its own.")


def is_address(who: str) -> bool:
    """Whether a captioner or classifier is named by its address and not by its engine."""
    return ":" in who


def _converted(name: str, key: str, value: Any) -> Any:
    try:
        return _CONVERTERS[key](value)
    except (TypeError, ValueError) as error:
        raise RunInvalid(f"Run {name!r}: {key} is {value!r}, which is not a number.") from error


def _optional_number(value: Any) -> float | None:
    return None if value is None or value == "" else float(value)


_TYPES: Mapping[str, Callable[[Any], Any]] = {
    "int": int,
    "float": float,
    "str": str,
    "float | None": _optional_number,
}
_CONVERTERS = {
    one.name: _TYPES[str(one.type)] for one in fields(RunSpec) if str(one.type) in _TYPES and one.name != "name"
}

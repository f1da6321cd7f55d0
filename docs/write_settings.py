"""Writes docs/settings.md from the services' settings classes; a test holds the two equal.

python docs/write_settings.py
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from pydantic import AliasChoices, SecretStr
from pydantic.fields import FieldInfo

from captioner_service.settings import CaptionerSettings
from classifier_service.settings import ClassifierSettings
from gateway.settings import GatewaySettings
from vidtomusictags.rpc.settings import HostSettings

PLACE = Path(__file__).with_name("settings.md")
SERVICES = (GatewaySettings, CaptionerSettings, ClassifierSettings)

_HEAD = """\
# Settings

Every setting of every service, from its environment. `vidtags serve SERVICE --help` lists the same. A wrong value stops
the start, with all faults at once. This page is written by `python docs/write_settings.py`.

## All three services

With the prefix of the service for `*`: `GATEWAY`, `CAPTIONER` or `CLASSIFIER`.
"""


def page() -> str:
    """The whole page."""
    shared = HostSettings.model_fields
    parts = [_HEAD, *_table("*_", shared)]
    for settings in SERVICES:
        prefix = str(settings.model_config["env_prefix"])
        own = {
            name: field
            for name, field in settings.model_fields.items()
            if name not in shared or _default(field) != _default(shared[name])
        }
        parts += [f"\n## {prefix.rstrip('_').capitalize()}\n", *_table(prefix, own)]
    return "\n".join(parts) + "\n"


def _table(prefix: str, fields: dict[str, FieldInfo]) -> Iterator[str]:
    yield "| setting | default | what it is |"
    yield "|---|---|---|"
    for name, field in fields.items():
        about = (field.description or "").replace("|", "\\|")
        aliases = field.validation_alias
        names = aliases.choices if isinstance(aliases, AliasChoices) else [f"{prefix}{name.upper()}"]
        yield f"| {' or '.join(f'`{one}`' for one in names)} | {_default(field)} | {about} |"


def _default(field: FieldInfo) -> str:
    default = field.get_default(call_default_factory=True)
    if isinstance(default, SecretStr):
        default = default.get_secret_value()
    if default is None or default in ("", (), {}):
        return "none"
    return f"`{str(default).lower() if isinstance(default, bool) else default}`"


if __name__ == "__main__":
    PLACE.write_text(page())

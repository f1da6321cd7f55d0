"""The settings of the services, read from the environment, with every fault and every default told."""

from __future__ import annotations

import enum
from importlib import import_module
from typing import Any

from rich.table import Table
from rich.text import Text

from vidtomusictags.command.endings import Mistake
from vidtomusictags.command.extras import needing


class ServiceName(enum.StrEnum):
    """The services."""

    CAPTIONER = "captioner"
    CLASSIFIER = "classifier"
    GATEWAY = "gateway"


PACKAGES = {
    ServiceName.CAPTIONER: "captioner_service",
    ServiceName.CLASSIFIER: "classifier_service",
    ServiceName.GATEWAY: "gateway",
}


def read_settings(name: ServiceName) -> Any:
    """The service's settings. Raises Mistake with every fault of the environment, one a line."""
    settings_class = _class_of(name)
    from pydantic import ValidationError  # noqa: PLC0415

    prefix = settings_class.model_config["env_prefix"]
    try:
        return settings_class()
    except ValidationError as error:
        faults = []
        for fault in error.errors():
            place = f"{prefix}{'.'.join(map(str, fault['loc'])).upper()}" if fault["loc"] else f"{prefix}*"
            faults.append(f"{place}: {fault['msg'].removeprefix('Value error, ')}")
        raise Mistake("the environment is wrong:\n" + "\n".join(f"  {fault}" for fault in faults)) from error


def settings_table(name: ServiceName) -> Table:
    """Every setting as it is called in the environment, with its default."""
    settings_class = _class_of(name)
    prefix = settings_class.model_config["env_prefix"]
    table = Table(
        title="Settings, from the environment", title_justify="left", box=None, show_header=False, pad_edge=False
    )
    table.add_column(style="cyan", no_wrap=True)
    table.add_column()
    for setting, field in settings_class.model_fields.items():
        default = field.get_default(call_default_factory=True)
        stated = "none" if default in (None, (), {}) else str(default)
        about = Text(field.description or "").append(f" [{stated}]", style="dim")
        alias = field.validation_alias
        names = [str(one) for one in alias.choices] if alias is not None and hasattr(alias, "choices") else []
        table.add_row("\n".join(names) or f"{prefix}{setting.upper()}", about)
    return table


def _class_of(name: ServiceName) -> Any:
    with needing(name.value):
        return getattr(import_module(f"{PACKAGES[name]}.settings"), f"{name.value.capitalize()}Settings")

"""Help texts: written as docstrings, shown with their paragraphs filled and their examples as they stand."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any

import typer
from rich.markup import escape

_EXAMPLES = "Examples:"


def help_of(function: Callable[..., Any]) -> str:
    """The docstring of a command for Typer: lines after `Examples:` stay as they are, other paragraphs are one line."""
    text, _, examples = inspect.cleandoc(function.__doc__ or "").partition(_EXAMPLES)
    paragraphs = [escape(" ".join(paragraph.split())) for paragraph in text.strip().split("\n\n")]
    if examples:
        lines = "\n".join(f"  {escape(line.strip())}" for line in examples.strip().splitlines())
        paragraphs.append(f"\b\n[bold]{_EXAMPLES}[/bold]\n{lines}")
    return "\n\n".join(paragraphs)


def add(app: typer.Typer, function: Callable[..., Any], name: str | None = None, **settings: Any) -> None:
    """Makes a function a command of `app`, its docstring the help."""
    app.command(name, help=help_of(function), **settings)(function)

"""The root of the command: whatever goes wrong below ends as one line on stderr and an exit code."""

from __future__ import annotations

import sys
import traceback
from collections.abc import Sequence
from typing import Any

from typer.core import TyperGroup

from vidtomusictags.command.credentials import standing_first
from vidtomusictags.command.endings import UNREACHABLE, Ending, ending_of
from vidtomusictags.command.text import printable

DEBUG = "--debug"


class CommandGroup(TyperGroup):
    """A Typer group that tells failures itself. `--debug` may stand anywhere; `Context.obj` says whether it does."""

    def main(
        self,
        args: Sequence[str] | None = None,
        prog_name: str | None = None,
        complete_var: str | None = None,
        standalone_mode: bool = True,
        windows_expand_args: bool = True,
        **extra: Any,
    ) -> Any:
        arguments = list(sys.argv[1:] if args is None else args)
        debug = _take_debug(arguments)
        arguments = standing_first(arguments)
        try:
            code = super().main(arguments, "vidtags", complete_var, standalone_mode=False, obj=debug, **extra)
        except Exception as error:
            code = tell(error, debug=debug).exit_code
        sys.exit(code if isinstance(code, int) else 0)


def tell(error: Exception, *, debug: bool, about: str = "") -> Ending:
    """Writes one line to stderr, with `debug` after the traceback, and returns what it says.

    about: what was being worked on, such as a file; left out where the line speaks of a service or names it anyway.
    """
    if debug:
        traceback.print_exception(error)
    ending = ending_of(error)
    subject = f"{about}: " if about and ending.exit_code != UNREACHABLE and not ending.message.startswith(about) else ""
    hint = f" (unexpected; {DEBUG} shows where)" if ending.unexpected and not debug else ""
    print(f"vidtags: {printable(subject + ending.message)}{hint}", file=sys.stderr)
    return ending


def _take_debug(arguments: list[str]) -> bool:
    options = arguments[: arguments.index("--")] if "--" in arguments else arguments
    if DEBUG not in options:
        return False
    arguments.remove(DEBUG)
    return True

"""How the command ends: what each kind of failure means for the exit code, and the line that tells it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import typer

from vidtomusictags.rpc.credentials import CredentialsUnusable
from vidtomusictags.rpc.failures import Failure

OK, MISTAKE, UNREACHABLE, FAILED = 0, 2, 3, 4

EXIT_CODES = (
    "Exit codes: 0 done; 2 your mistake, such as a file or a name that does not exist; 3 a service cannot be reached "
    "or is not ready; 4 the job was refused or failed."
)

_MISTAKES = frozenset(
    {
        "INVALID_REQUEST",
        "MODEL_UNKNOWN",
        "PROMPT_UNKNOWN",
        "SAMPLER_UNKNOWN",
        "SUMMARY_INVALID",
        "TAG_UNKNOWN",
        "TAXONOMY_INVALID",
        "TAXONOMY_UNKNOWN",
        "URI_INVALID",
        "VIDEO_NOT_FOUND",
    }
)
"""Reasons that tell of a wrong word on the command line, whoever noticed it."""

# Typer brings its own copy of Click since 0.21, so the classes are reached through one that both export.
_UsageError = typer.BadParameter.__mro__[1]
_ClickException = typer.BadParameter.__mro__[2]


class Mistake(Exception):
    """The user's mistake; the message is one line that says what to do."""


@dataclass(frozen=True)
class Ending:
    """How a failure is told. reason: stable name for machines, as in google.rpc.ErrorInfo."""

    exit_code: int
    message: str
    reason: str
    field: str = ""
    unexpected: bool = False

    def to_dict(self) -> dict[str, Any]:
        """The failure as it stands in a JSON document."""
        return {"reason": self.reason, "message": self.message, "field": self.field}


def ending_of(error: Exception) -> Ending:
    """How `error` is told."""
    if isinstance(error, Failure):
        hint = " `vidtags up` starts all three services." if "target" in error.details else ""
        if error.code == "UNAUTHENTICATED":
            hint = " --token-file names the file of your token, --certificate and --key your certificate."
        return Ending(_exit_code(error), error.message + hint, error.reason, error.field)
    if isinstance(error, Mistake | CredentialsUnusable):
        return Ending(MISTAKE, str(error), "INVALID_REQUEST")
    if isinstance(error, _ClickException):
        return Ending(MISTAKE, _usage(error), "INVALID_REQUEST")
    if isinstance(error, OSError) and error.filename is not None:
        return Ending(MISTAKE, f"{error.filename}: {_what_about(error)}", "FILE_UNREADABLE")
    message = f"{type(error).__name__}: {error}" if str(error) else type(error).__name__
    return Ending(FAILED, message, "INTERNAL", unexpected=True)


def _exit_code(failure: Failure) -> int:
    if failure.code == "UNAVAILABLE":
        return UNREACHABLE
    return MISTAKE if failure.reason in _MISTAKES else FAILED


def _usage(error: Any) -> str:
    message = str(error.format_message()).rstrip(".")
    context = getattr(error, "ctx", None)
    return f"{message}; see `{context.command_path} --help`" if context is not None else message


def _what_about(error: OSError) -> str:
    if isinstance(error, FileNotFoundError):
        return "there is no such file or directory"
    if isinstance(error, IsADirectoryError):
        return "is a directory; name a file"
    if isinstance(error, FileExistsError):
        return "is there already; name a new file"
    if isinstance(error, PermissionError):
        return "you may not open it"
    return error.strerror or str(error)

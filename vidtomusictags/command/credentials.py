"""What the command shows the services that it calls."""

from __future__ import annotations

from contextvars import ContextVar
from pathlib import Path
from typing import Annotated

import typer

from vidtomusictags.command.endings import Mistake
from vidtomusictags.rpc.credentials import Credentials, CredentialsUnusable

_FILES = {"file_okay": True, "dir_okay": False, "metavar": "FILE"}

Ca = Annotated[
    Path | None,
    typer.Option("--ca", envvar="VIDTAGS_CA", help="Speak TLS, to services of these authorities (PEM).", **_FILES),
]
Certificate = Annotated[
    Path | None,
    typer.Option("--certificate", envvar="VIDTAGS_CERTIFICATE", help="Show services this certificate (PEM).", **_FILES),
]
Key = Annotated[
    Path | None, typer.Option("--key", envvar="VIDTAGS_KEY", help="The key to the certificate (PEM).", **_FILES)
]
TokenFile = Annotated[
    Path | None,
    typer.Option("--token-file", envvar="VIDTAGS_TOKEN_FILE", help="Show services the token in this file.", **_FILES),
]
Tls = Annotated[
    bool, typer.Option("--tls", envvar="VIDTAGS_TLS", help="Speak TLS, to services of any well-known authority.")
]
Insecure = Annotated[
    bool,
    typer.Option(
        "--insecure", envvar="VIDTAGS_INSECURE", help="Show the token in plaintext, where the network secures it."
    ),
]

_WITH_VALUE = ("--ca", "--certificate", "--key", "--token-file")
_FLAGS = ("--tls", "--insecure")

_chosen: ContextVar[Credentials] = ContextVar("credentials", default=Credentials())  # noqa: B039  # it is frozen


def choose_credentials(credentials: Credentials) -> None:
    """From now on, in this run of the command."""
    _chosen.set(credentials)


def chosen_credentials() -> Credentials:
    """What services are shown; nothing where nothing was said."""
    return _chosen.get()


def made_credentials(
    ca: Path | None, certificate: Path | None, key: Path | None, token_file: Path | None, *, tls: bool, insecure: bool
) -> Credentials:
    """As the options say. Raises Mistake for a certificate without its key."""
    try:
        return Credentials(ca, certificate, key, token_file, tls, insecure)
    except CredentialsUnusable as error:
        raise Mistake(str(error)) from error


def standing_first(arguments: list[str]) -> list[str]:
    """The arguments with these options moved to the front, so that they may stand anywhere, as `--debug` may."""
    first: list[str] = []
    rest: list[str] = []
    remaining = iter(arguments)
    for argument in remaining:
        if argument == "--":
            rest += [argument, *remaining]
        elif argument in _WITH_VALUE:
            first += [argument, *([value] if (value := next(remaining, None)) is not None else [])]
        elif argument in _FLAGS or argument.startswith(tuple(f"{name}=" for name in _WITH_VALUE)):
            first.append(argument)
        else:
            rest.append(argument)
    return first + rest

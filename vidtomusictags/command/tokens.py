"""`vidtags tokens`: tokens for callers, and the file in which a service knows them."""

from __future__ import annotations

import os
import re
import secrets
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from pathlib import Path
from typing import Annotated

import typer
from rich.table import Table

from vidtomusictags.command import options
from vidtomusictags.command.documents import print_document
from vidtomusictags.command.endings import Mistake
from vidtomusictags.command.extras import needing
from vidtomusictags.command.help import add
from vidtomusictags.command.rendering import stdout

PERMISSIONS = ("tag", "caption", "model", "classify", "taxonomies", "on_behalf_of")
"""Of the gateway, twice of the captioner, twice of the classifier, and to name another caller to either of these."""

_NAME = re.compile(r"[A-Za-z0-9._-]{1,64}")
_PREFIX = "vidtags_"
"""Lets scanners for leaked secrets find them."""
_RANDOM_BYTES = 32

app = typer.Typer(help="Tokens of callers, and the file in which a service knows them.", rich_markup_mode="rich")


def new(
    name: Annotated[str, typer.Argument(metavar="NAME", help="Of the caller, in logs and for limits.")],
    permission: Annotated[
        list[str], typer.Option(metavar="NAME", help=f"What it may do: {', '.join(PERMISSIONS)}; again for more.")
    ],
    days: Annotated[int, typer.Option(min=0, help="Days until it expires; 0: it does not.")] = 0,
    save: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="Write the token to a new file, for its owner alone, and show it nowhere."),
    ] = None,
    as_json: options.AsJson = False,
) -> None:
    """Make a token for a caller. It is shown this once; the service keeps its digest alone.

    The entry belongs into the service's file of callers (GATEWAY_TOKENS_FILE and the like), which is read anew when it
    changes. To exchange a token, let the entry list both digests for a while: token_sha256 = ["new", "old"].

    Examples:
    vidtags tokens new website --permission tag
    vidtags tokens new website --permission tag --save website.token >> callers.toml
    vidtags tokens new gateway --permission caption,model,classify,on_behalf_of --days 90
    """
    permissions = options.split(permission)
    if not _NAME.fullmatch(name):
        raise Mistake("a caller's name must be 1 to 64 letters, digits, dots, dashes or underscores")
    if unknown := [one for one in permissions if one not in PERMISSIONS]:
        raise Mistake(f"there is no permission {unknown[0]}; there is: {', '.join(PERMISSIONS)}")
    token = _PREFIX + secrets.token_urlsafe(_RANDOM_BYTES)
    expires = datetime.now(UTC).replace(microsecond=0) + timedelta(days=days) if days else None
    entry = _entry(name, token, permissions, expires)
    if save is not None:
        _write_for_owner(save, token)
        print(f"\n{entry}", end="")
    elif as_json:
        print_document({"token": token, "entry": entry})
    else:
        print(f"The token, shown this once:\n\n{token}\n\nFor the service's file of callers:\n\n{entry}", end="")


def check(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="A file of callers.", dir_okay=False)],
    as_json: options.AsJson = False,
) -> None:
    """Check a file of callers, and list who may do what.

    Examples:
    vidtags tokens check callers.toml
    """
    with needing("service"):
        from vidtomusictags.rpc.caller_file import read_callers  # noqa: PLC0415
    try:
        known = read_callers(file)
    except ValueError as error:
        raise Mistake(f"{file}: {error}") from error
    listed = known.listed()
    if as_json:
        print_document({"callers": listed})
        return
    table = Table(box=None, pad_edge=False)
    for title in ("caller", "may", "tokens", "certificates", "expires"):
        table.add_column(title)
    for one in listed:
        may = ", ".join(one["permissions"])
        table.add_row(
            one["name"], may, str(one["tokens"]), ", ".join(one["certificates"]) or "none", one["expires"] or "never"
        )
    stdout().print(table)


add(app, new)
add(app, check)


def _write_for_owner(path: Path, token: str) -> None:
    """Raises FileExistsError rather than write over another token."""
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "w") as file:
        file.write(token + "\n")


def _entry(name: str, token: str, permissions: list[str], expires: datetime | None) -> str:
    lines = [
        f'[callers."{name}"]' if "." in name else f"[callers.{name}]",
        f'token_sha256 = "{sha256(token.encode()).hexdigest()}"',
        f"permissions = [{', '.join(f'{chr(34)}{one}{chr(34)}' for one in permissions)}]",
        *([f"expires = {expires.isoformat().replace('+00:00', 'Z')}"] if expires else []),
    ]
    return "\n".join(lines) + "\n"

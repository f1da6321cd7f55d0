"""All commands under one root."""

from __future__ import annotations

from typing import Annotated

import typer

from vidtomusictags.command import (
    calibrate,
    caption,
    classify,
    credentials,
    evaluate,
    health,
    sample,
    serve,
    tag,
    taxonomies,
    tokens,
    top,
    up,
)
from vidtomusictags.command.endings import EXIT_CODES
from vidtomusictags.command.group import DEBUG, CommandGroup
from vidtomusictags.command.help import add
from vidtomusictags.version import VERSION

app = typer.Typer(
    cls=CommandGroup,
    rich_markup_mode="rich",
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
    epilog=EXIT_CODES,
)


@app.callback(invoke_without_command=True)
def root(
    context: typer.Context,
    ca: credentials.Ca = None,
    certificate: credentials.Certificate = None,
    key: credentials.Key = None,
    token_file: credentials.TokenFile = None,
    tls: credentials.Tls = False,
    insecure: credentials.Insecure = False,
    debug: Annotated[bool, typer.Option(DEBUG, help="Show the traceback of a failure; may stand anywhere.")] = False,
    version: Annotated[bool, typer.Option("--version", help="Print the version and stop.")] = False,
) -> None:
    """Tags of your own music taxonomy for a video clip.

    Start with `vidtags try CLIP`, which needs no running service. What services are shown may stand anywhere too.
    """
    credentials.choose_credentials(
        credentials.made_credentials(ca, certificate, key, token_file, tls=tls, insecure=insecure)
    )
    if version:
        print(VERSION)
    elif context.invoked_subcommand is None:
        print(context.get_help())


add(app, tag.tag)
add(app, tag.try_, "try")
add(app, caption.caption)
add(app, classify.classify)
add(app, sample.sample)
app.add_typer(taxonomies.app, name="taxonomies")
app.add_typer(evaluate.app, name="evaluate")
add(app, calibrate.calibrate)
app.add_typer(serve.app, name="serve")
add(app, up.up)
add(app, health.health)
app.add_typer(tokens.app, name="tokens")
add(app, top.top)

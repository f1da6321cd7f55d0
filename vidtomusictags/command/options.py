"""The options that several commands share, each defined once."""

from __future__ import annotations

from typing import Annotated

import typer

Gateway = Annotated[
    str, typer.Option("--gateway", envvar="VIDTAGS_GATEWAY", metavar="ADDRESS", help="Where the gateway is.")
]
Captioner = Annotated[
    str, typer.Option("--captioner", envvar="VIDTAGS_CAPTIONER", metavar="ADDRESS", help="Where the captioner is.")
]
Classifier = Annotated[
    str, typer.Option("--classifier", envvar="VIDTAGS_CLASSIFIER", metavar="ADDRESS", help="Where the classifier is.")
]
GATEWAY, CAPTIONER, CLASSIFIER = "127.0.0.1:50050", "127.0.0.1:50051", "127.0.0.1:50052"

Timeout = Annotated[
    float,
    typer.Option(
        "--timeout",
        envvar="VIDTAGS_TIMEOUT_SECONDS",
        metavar="SECONDS",
        min=0.001,
        help="Longest that one job may take.",
    ),
]
TIMEOUT_SECONDS = 300.0

AsJson = Annotated[bool, typer.Option("--json", help="One JSON document on stdout.")]
Quiet = Annotated[bool, typer.Option("--quiet", "-q", help="No progress on stderr.")]

Taxonomy = Annotated[
    str | None,
    typer.Option(metavar="ID|FILE", help="id, id@version, or a YAML file of your own; without, the service's default."),
]
Include = Annotated[
    list[str] | None, typer.Option(metavar="ID", help="Only these tags or facets; again or with commas for more.")
]
Exclude = Annotated[list[str] | None, typer.Option(metavar="ID", help="Not these tags or facets.")]
MaxTags = Annotated[int, typer.Option(min=0, max=100, help="Most tags; 0: the service's default.")]
MinConfidence = Annotated[
    float | None, typer.Option(min=0.0, max=1.0, help="Least confidence; without, each tag's own threshold.")
]

Sampler = Annotated[
    str,
    typer.Option(
        metavar="NAME",
        help="How frames are chosen: uniform (middle of equal spans), notebook (equal steps), shots (of every shot), "
        "snap (keyframes near the middles, for speed).",
    ),
]
Frames = Annotated[int, typer.Option(min=0, max=256, help="How many frames; 0: what the captioner likes best.")]
Start = Annotated[float | None, typer.Option(min=0.0, metavar="SECONDS", help="Look at nothing before.")]
End = Annotated[float | None, typer.Option(min=0.0, metavar="SECONDS", help="Look at nothing after.")]
Prompt = Annotated[str | None, typer.Option(metavar="NAME", help="One of the captioner's prompts: concise, scene, ...")]
PromptText = Annotated[str | None, typer.Option(metavar="TEXT", help="Your own words to the captioner instead.")]


def split(values: list[str] | None) -> list[str]:
    """The values of an option that may be repeated and may hold commas."""
    return [part.strip() for value in values or () for part in value.split(",") if part.strip()]

"""`vidtags tag`: videos in, tags out, through a gateway."""

from __future__ import annotations

import errno
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from vidtomusictags.command import options
from vidtomusictags.command.credentials import chosen_credentials
from vidtomusictags.command.documents import print_document
from vidtomusictags.command.endings import FAILED, OK, UNREACHABLE, Ending, Mistake
from vidtomusictags.command.group import tell
from vidtomusictags.command.progress import reporting
from vidtomusictags.command.rendering import print_tagged, stdout
from vidtomusictags.command.stdin import stdin_bytes
from vidtomusictags.command.taxonomy_argument import for_service

if TYPE_CHECKING:
    from vidtomusictags.client.blocking import Client
    from vidtomusictags.client.result import TaggedVideo
    from vidtomusictags.client.tagging import TagOptions
    from vidtomusictags.rpc.credentials import Credentials

_STDIN = "-"


Videos = Annotated[
    list[str], typer.Argument(metavar="CLIP", help="Files, - for stdin, or URIs that the gateway can open.")
]


def tag(
    context: typer.Context,
    videos: Videos,
    gateway: options.Gateway = options.GATEWAY,
    taxonomy: options.Taxonomy = None,
    include: options.Include = None,
    exclude: options.Exclude = None,
    max_tags: options.MaxTags = 0,
    min_confidence: options.MinConfidence = None,
    sampler: options.Sampler = "uniform",
    frames: options.Frames = 0,
    start: options.Start = None,
    end: options.End = None,
    prompt: options.Prompt = None,
    prompt_text: options.PromptText = None,
    timeout: options.Timeout = options.TIMEOUT_SECONDS,
    as_json: options.AsJson = False,
    quiet: options.Quiet = False,
) -> None:
    """Tag videos.

    A video that fails does not stop the others; the exit code is then 4. With --json one video gives an object and
    several give {"results": [...]} in their order. Each has "file" and the result, or "file" and "error".

    Examples:
    vidtags tag clip.mp4
    vidtags tag clip.mp4 --taxonomy my-moods.yaml --max-tags 5
    vidtags tag *.mp4 --json > tags.json
    cat clip.mp4 | vidtags tag - --json
    vidtags tag https://cdn.example.com/clip.mp4    where the gateway may read from there
    """
    if prompt and prompt_text:
        raise Mistake("give --prompt or --prompt-text, not both")
    wanted: TagOptions = {
        "taxonomy": for_service(taxonomy),
        "include": options.split(include),
        "exclude": options.split(exclude),
        "max_tags": max_tags,
        "min_confidence": min_confidence,
        "sampler": sampler,
        "frames": frames,
        "start": start,
        "end": end,
        "prompt": prompt,
        "prompt_text": prompt_text,
    }
    how = _How(as_json=as_json, quiet=quiet, debug=bool(context.obj))
    with _client(gateway, timeout, chosen_credentials()) as client:
        raise typer.Exit(_tag_all(client, videos, wanted, how))


def try_(
    context: typer.Context,
    videos: Videos,
    taxonomy: options.Taxonomy = None,
    max_tags: options.MaxTags = 0,
    sampler: options.Sampler = "uniform",
    frames: options.Frames = 0,
    prompt: options.Prompt = None,
    timeout: options.Timeout = options.TIMEOUT_SECONDS,
    as_json: options.AsJson = False,
    quiet: options.Quiet = False,
) -> None:
    """Tag videos with three services that are started for this command alone, on free ports, and stopped after it.

    Examples:
    vidtags try clip.mp4
    vidtags try clip.mp4 --taxonomy my-moods.yaml
    """
    wanted: TagOptions = {
        "taxonomy": for_service(taxonomy),
        "max_tags": max_tags,
        "sampler": sampler,
        "frames": frames,
        "prompt": prompt,
    }
    from vidtomusictags.command.fleet import private_fleet  # noqa: PLC0415  # gRPC takes long to load

    if len(videos) == 1 and _is_missing(videos[0]):  # before three services are started for nothing
        raise FileNotFoundError(errno.ENOENT, "", videos[0])
    how = _How(as_json=as_json, quiet=quiet, debug=bool(context.obj))
    with private_fleet(quiet=quiet) as addresses, _client(addresses.gateway, timeout) as client:
        code = _tag_all(client, videos, wanted, how)
    raise typer.Exit(code)


def _is_missing(name: str) -> bool:
    return name != _STDIN and "://" not in name and not Path(name).exists()


@dataclass(frozen=True)
class _How:
    """How results are told."""

    as_json: bool
    quiet: bool
    debug: bool


@dataclass(frozen=True)
class _Outcome:
    """What became of one video: the result, or how it failed."""

    name: str
    tagged: TaggedVideo | None = None
    ending: Ending | None = None

    def to_dict(self) -> dict[str, Any]:
        if self.tagged is not None:
            return {"file": self.name, **self.tagged.to_dict()}
        return {"file": self.name, "error": self.ending.to_dict() if self.ending else None}


@contextmanager
def _client(gateway: str, timeout: float, credentials: Credentials | None = None) -> Iterator[Client]:
    from vidtomusictags.client.blocking import Client  # noqa: PLC0415  # gRPC takes long to load; --help needs none

    with Client(gateway, timeout_seconds=timeout, credentials=credentials) as client:
        yield client


def _tag_all(client: Client, names: Sequence[str], wanted: TagOptions, how: _How) -> int:
    """Tags the videos one after another and tells what becomes of them; returns the exit code."""
    if names.count(_STDIN) > 1:
        raise Mistake("stdin can be read only once; name - once")
    outcomes = []
    for name in names:
        outcome = _tag_one(client, name, wanted, how)
        outcomes.append(outcome)
        if outcome.tagged is not None and not how.as_json:
            print_tagged(stdout(), outcome.name, outcome.tagged)
    if how.as_json:
        documents = [outcome.to_dict() for outcome in outcomes]
        print_document(documents[0] if len(documents) == 1 else {"results": documents})
    return _exit_code(outcomes)


def _tag_one(client: Client, name: str, wanted: TagOptions, how: _How) -> _Outcome:
    shown = _shown(name)
    video = stdin_bytes() if name == _STDIN else name
    try:
        with reporting(shown, quiet=how.quiet) as reporter:
            on_text = None if how.quiet else reporter.text
            tagged = client.tag(video, on_progress=reporter.progress, on_text=on_text, **wanted)
        return _Outcome(shown, tagged)
    except Exception as error:  # the others go on; told here, and in the document
        return _Outcome(shown, ending=tell(error, debug=how.debug, about=shown))


def _shown(name: str) -> str:
    """What a video is called in all that is told of it: a URL without its query, which may be a signature."""
    if name == _STDIN:
        return "stdin"
    return name.partition("?")[0] if "://" in name else name


def _exit_code(outcomes: Sequence[_Outcome]) -> int:
    codes = {outcome.ending.exit_code if outcome.ending else OK for outcome in outcomes}
    if len(outcomes) == 1 or codes in ({OK}, {UNREACHABLE}):
        return codes.pop()
    return FAILED

"""`vidtags classify`: summaries in, tags out."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from typing import Annotated, Any, BinaryIO

import typer

from vidtomusictags.client.classification import Classification
from vidtomusictags.client.plain import plain
from vidtomusictags.command import options
from vidtomusictags.command.answering import Ask, Limits, asking_engine, asking_service
from vidtomusictags.command.documents import print_document, print_line
from vidtomusictags.command.endings import FAILED, OK, UNREACHABLE, Mistake, ending_of
from vidtomusictags.command.rendering import print_classification, stdout
from vidtomusictags.command.stdin import stdin_bytes

_STDIN = "-"
_FULL = "full"
Shape = Callable[[Classification], dict[str, Any]]


def notebook(found: Classification) -> dict[str, Any]:
    """The shape of the prototype's notebook: labels and confidences, key information, reasoning."""
    return {
        "tag": [{"tag": tag.label, "confidence": tag.confidence} for tag in found.tags],
        "key_information": list(found.key_information),
        "reasoning": found.reasoning,
    }


_SHAPES: Mapping[str, Shape] = {_FULL: plain, "notebook": notebook}


def classify(
    summary: Annotated[
        str | None, typer.Option("--summary", metavar="TEXT|-", help="The text to tag; - reads it from stdin.")
    ] = None,
    lines: Annotated[
        str | None,
        typer.Option(
            "--jsonl", metavar="FILE|-", help='Lines of {"id", "summary"}, each with a "taxonomy" if it likes.'
        ),
    ] = None,
    taxonomy: options.Taxonomy = None,
    engine: Annotated[
        str | None, typer.Option(metavar="NAME", help="Run this engine here instead of calling a service.")
    ] = None,
    classifier: options.Classifier = options.CLASSIFIER,
    include: options.Include = None,
    exclude: options.Exclude = None,
    max_tags: options.MaxTags = 0,
    min_confidence: options.MinConfidence = None,
    timeout: options.Timeout = options.TIMEOUT_SECONDS,
    as_json: options.AsJson = False,
    form: Annotated[
        str, typer.Option("--format", metavar="full|notebook", help="notebook: the prototype's shape; implies --json.")
    ] = _FULL,
) -> None:
    """Tag texts about videos.

    --summary gives one result. --jsonl gives one JSON line for each line that is not blank, in their order: "id", and
    the result or "error"; a line that fails does not stop the others, and the exit code is then 4.

    Examples:
    vidtags classify --summary "A squirrel eats a nut."
    vidtags classify --summary - --taxonomy my-moods.yaml --json < summary.txt
    vidtags classify --jsonl summaries.jsonl --engine embedded > tags.jsonl
    vidtags classify --summary "A squirrel eats a nut." --format notebook
    """
    if (summary is None) == (lines is None):
        raise Mistake("give either --summary or --jsonl")
    if form not in _SHAPES:
        raise Mistake(f"--format must be {' or '.join(_SHAPES)}, not {form}")
    shape = _SHAPES[form]
    limits = Limits(options.split(include), options.split(exclude), max_tags, min_confidence)
    answerer = asking_engine(engine, limits) if engine else asking_service(classifier, limits, timeout_seconds=timeout)
    if lines is not None:
        with _opened(lines) as file, answerer as ask:
            raise typer.Exit(_classify_lines(file, ask, taxonomy, shape))
    with answerer as ask:
        found = ask(_sendable(_read(stdin_bytes().read()) if summary == _STDIN else str(summary)), taxonomy)
    if as_json or form != _FULL:
        print_document(shape(found))
    else:
        print_classification(stdout(), found)


def _opened(name: str) -> AbstractContextManager[BinaryIO]:
    return nullcontext(stdin_bytes()) if name == _STDIN else Path(name).open("rb")


def _read(data: bytes) -> str:
    """The text; bytes that are no UTF-8 stay recognisable, as in arguments of a command."""
    return data.decode(errors="surrogateescape").strip()


def _sendable(summary: str) -> str:
    """The summary, if it can be sent. Raises Mistake."""
    try:
        summary.encode()
    except UnicodeEncodeError as error:
        raise Mistake("the summary is not UTF-8 text; save it with that encoding") from error
    return summary


def _classify_lines(file: Iterable[bytes], ask: Ask, taxonomy: str | None, shape: Shape) -> int:
    code = OK
    for number, line in enumerate(file, start=1):
        if line.strip():
            document = _answered(line, number, ask, taxonomy, shape)
            print_line(document)
            code = FAILED if "error" in document else code
    return code


def _answered(line: bytes, number: int, ask: Ask, taxonomy: str | None, shape: Shape) -> dict[str, Any]:
    """The document for one line. A service that cannot be reached is a matter of the whole run, and raised."""
    document: dict[str, Any] = {"id": None}
    try:
        entry = _object(line)
        document["id"] = entry.get("id")
        summary, its_taxonomy = entry.get("summary"), entry.get("taxonomy")
        if not isinstance(summary, str) or not isinstance(its_taxonomy, str | None):
            raise Mistake('"summary" must be a text, and "taxonomy" one too where there is one')
        return {**document, **shape(ask(_sendable(summary), its_taxonomy or taxonomy))}
    except Exception as error:  # told in the document, where the reader of the lines looks
        ending = ending_of(error)
        if ending.exit_code == UNREACHABLE:
            raise
        return document | {"error": {**ending.to_dict(), "line": number}}


def _object(line: bytes) -> dict[str, Any]:
    try:
        entry = json.loads(_read(line))
    except ValueError as error:
        raise Mistake(f"the line is not JSON: {error}") from error
    if not isinstance(entry, dict):
        raise Mistake('the line is not an object with "id" and "summary"')
    return entry

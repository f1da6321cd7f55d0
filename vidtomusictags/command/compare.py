"""`vidtags evaluate compare`: which of two runs is better, and whether a continuous integration should fail."""

from __future__ import annotations

from typing import Annotated

import typer

from vidtomusictags.command import options
from vidtomusictags.command.documents import print_document
from vidtomusictags.command.endings import FAILED, OK, Mistake
from vidtomusictags.command.extras import needing


def compare(
    first: Annotated[str, typer.Argument(metavar="A", help="DIR or DIR:RUN of an evaluation: the baseline.")],
    second: Annotated[str, typer.Argument(metavar="B", help="DIR or DIR:RUN: what is judged.")],
    fail_if: Annotated[
        list[str] | None,
        typer.Option(
            metavar="CONDITION", help="Exit with 4 where B minus A is so, as 'macro_f1 < -0.02'. Again for more."
        ),
    ] = None,
    as_json: options.AsJson = False,
) -> None:
    """Compare two runs over the same clips, with intervals and p-values; made to stand in a CI.

    Examples:
    vidtags evaluate compare baseline evaluation --fail-if 'macro_f1 < -0.02'
    vidtags evaluate compare evaluation:base evaluation:scene --fail-if 'map < 0 and p < 0.05'
    """
    with needing("evaluate"):
        from vidtomusictags.command.evaluation_rendering import print_differences  # noqa: PLC0415
        from vidtomusictags.evaluation.conditions import ConditionInvalid, parse_condition  # noqa: PLC0415
        from vidtomusictags.evaluation.inference import differences  # noqa: PLC0415
        from vidtomusictags.evaluation.result_file import finite  # noqa: PLC0415
        from vidtomusictags.evaluation.stored_run import ResultUnusable, paired, read_run  # noqa: PLC0415
    try:
        one, other = read_run(first), read_run(second)
        measured, judged, notes = paired(one, other)
        found = differences(measured, judged)
        conditions = [parse_condition(text, found) for text in fail_if or ()]
    except (ResultUnusable, ConditionInvalid) as error:
        raise Mistake(str(error)) from error
    held = [condition for condition in conditions if condition.holds(found)]
    if as_json:
        values = {
            name: {"value": d.value, "low": d.interval.low, "high": d.interval.high, "p": d.p, "test": d.test}
            for name, d in sorted(found.items())
        }
        clips = len(measured.truth.expected)
        print_document(
            finite(
                {
                    "first": one.name,
                    "second": other.name,
                    "clips": clips,
                    "notes": list(notes),
                    "differences": values,
                    "failed": [condition.text for condition in held],
                }
            )
        )
    else:
        print_differences(one.name, other.name, found, notes)
        for condition in held:
            print(f"failed: {condition.text} (it is {found[condition.metric].value:+.4f})")
    raise typer.Exit(FAILED if held else OK)

"""Answers that were made elsewhere, as `vidtags classify --jsonl` writes them, in place of a run's own."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from vidtomusictags.evaluation.dataset import Item
from vidtomusictags.evaluation.running import ItemFailure, Outcome
from vidtomusictags.evaluation.score_row import ScoreRow
from vidtomusictags.evaluation.stage_results import Answer, Returned, Summary


class AnswersUnreadable(ValueError):
    """A file of answers cannot be read; the message says which line."""


def imported_outcomes(path: Path, items: Sequence[Item]) -> list[Outcome]:
    """One outcome per item, by its id; an item without a line, or with an error, is a failure.

    A line is {"id", "tags": [{"id", "confidence", "evidence"}], "scores"}; scores, where there are any, are a list of
    {"id", "confidence", "raw_confidence"} or a mapping of tag to confidence. Raises AnswersUnreadable, OSError.
    """
    answers: dict[str, Mapping[str, Any]] = {}
    with path.open(encoding="utf-8") as file:
        for number, line in enumerate(file, start=1):
            if line.strip():
                entry = _entry(line, f"{path.name}, line {number}")
                answers.setdefault(str(entry["id"]), entry)
    return [_outcome(item, answers.get(item.id)) for item in items]


def _entry(line: str, where: str) -> Mapping[str, Any]:
    try:
        entry = json.loads(line)
    except ValueError as error:
        raise AnswersUnreadable(f"{where}: is not JSON: {error}.") from error
    if not isinstance(entry, dict) or "id" not in entry or ("tags" not in entry and "error" not in entry):
        raise AnswersUnreadable(f'{where}: needs "id", and "tags" or "error".')
    return entry


def _outcome(item: Item, entry: Mapping[str, Any] | None) -> Outcome:
    summary = Summary(item.summary) if item.summary else None
    if entry is None:
        return Outcome(item, summary, (), ItemFailure("classify", "NO_ANSWER", "the file has no answer for it"))
    if error := entry.get("error"):
        reason, message = str(error.get("reason", "FAILED")), str(error.get("message", ""))
        return Outcome(item, summary, (), ItemFailure("classify", reason, message))
    returned = tuple(
        Returned(str(tag["id"]), _number(tag.get("confidence")), tuple(_spans(tag.get("evidence"))))
        for tag in entry["tags"]
    )
    return Outcome(item, summary, (Answer(returned, _scores(entry.get("scores"))),))


def _scores(scores: Any) -> ScoreRow:
    if isinstance(scores, Mapping):
        return ScoreRow({str(tag): (_number(value), _number(value)) for tag, value in scores.items()})
    return ScoreRow(
        {
            str(one["id"]): (_number(one.get("confidence")), _number(one.get("raw_confidence", one.get("confidence"))))
            for one in scores or ()
        }
    )


def _spans(evidence: Any) -> list[tuple[int, int, str]]:
    return [(int(span["start"]), int(span["end"]), str(span["quote"])) for span in evidence or ()]


def _number(value: Any) -> float:
    """NaN for what is no number; the table of scores names it."""
    try:
        return float(value)
    except (TypeError, ValueError):
        return math.nan

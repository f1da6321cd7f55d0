"""Asks a model until its answer may be returned: tells it what is wrong and asks again, a stated number of times."""

from __future__ import annotations

import enum
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Protocol

from classifier_service.engines.engine import Question
from classifier_service.engines.instructor.answer_form import Draft
from classifier_service.engines.instructor.fencing import as_data, as_line
from classifier_service.engines.instructor.judging import Judged, Problem, judge, judge_parts
from classifier_service.engines.instructor.metrics import REASKS
from classifier_service.engines.instructor.prompting import Message
from classifier_service.engines.instructor.provider import Request
from classifier_service.engines.instructor.replies import Completion
from classifier_service.engines.instructor.troubles import Kind, Trouble, failure_for
from classifier_service.engines.instructor.upstream import Tally
from classifier_service.taxonomy import Tag
from vidtomusictags.rpc.failures import AnswerInvalid
from vidtomusictags.rpc.metrics import NO_METER, Meter

_MOST_TOLD = 12
_MOST_REPEATED_CHARACTERS = 6_000


class Policy(enum.StrEnum):
    """What becomes of an answer that still has problems after the last re-ask."""

    DROP = "drop"
    """What is wrong is left out, with a warning; an answer of which nothing can be read is refused all the same."""
    REFUSE = "refuse"
    """The whole answer is refused."""


@dataclass(frozen=True)
class Asked:
    """A judged answer, with the warnings that its caller is to read. parts: what it says of the question's parts."""

    judged: Judged
    completion: Completion
    warnings: Sequence[str]
    parts: Sequence[Judged] = ()


class Completes(Protocol):
    """What answers requests, such as `upstream.Upstream`."""

    async def complete(self, request: Request, tally: Tally) -> Completion: ...


class Asker:
    """reasks: how often a wrong answer is asked again, beside the first time."""

    def __init__(self, *, reasks: int, policy: Policy, meter: Meter = NO_METER) -> None:
        self._reasks = reasks
        self._meter = meter
        self._policy = policy

    async def ask(
        self,
        upstream: Completes,
        request: Request,
        question: Question,
        offered: Sequence[Tag],
        tally: Tally,
        parts: Sequence[Question] = (),
    ) -> Asked:
        """The first answer without problems, or the best of what the policy lets through.

        parts: those of the question that this answer is to cover, too.
        Raises ContentRefused at once, AnswerInvalid after the last re-ask, and what the upstream raises.
        """
        best: Asked | None = None
        for left in range(self._reasks, -1, -1):
            completion = await upstream.complete(request, tally)
            if completion.refused:
                raise failure_for(Trouble(Kind.CONTENT), tally.details())
            asked = _judged(completion, question, offered, parts)
            if asked and not asked.judged.problems:
                return asked
            if asked and (best is None or len(asked.judged.problems) <= len(best.judged.problems)):
                best = asked
            if left:
                self._meter.add(REASKS)
                request = _again(request, completion, asked.judged.problems if asked else ())
        if best is None or self._policy is Policy.REFUSE:
            raise AnswerInvalid(
                "The language model's answer broke the rules of the taxonomy, or of the form of answers, and was"
                " withheld; try again once.",
                details=tally.details(),
            )
        return replace(best, warnings=tuple(dict.fromkeys(one.warning for one in best.judged.problems)))


def _judged(
    completion: Completion, question: Question, offered: Sequence[Tag], parts: Sequence[Question]
) -> Asked | None:
    """None where there is nothing to judge. An answer that was cut may read well and still lack its end."""
    draft: Draft | None = None if completion.cut else completion.draft
    if draft is None:
        return None
    judged, each = judge(draft, question, offered), judge_parts(draft, parts, offered)
    problems = (*judged.problems, *(problem for one in each for problem in one.problems))
    return Asked(replace(judged, problems=problems), completion, (), each)


def _again(request: Request, completion: Completion, problems: Sequence[Problem]) -> Request:
    """The first prompt with the last answer and what is wrong with it: older answers would only make it dearer."""
    if completion.cut:
        wrong = ["It was cut off at the limit of its length; be brief: fewer quotes, a shorter reasoning."]
    elif problems:
        wrong = [problem.told for problem in problems[:_MOST_TOLD]]
    else:
        wrong = [f"It is not the JSON object that was asked for: {completion.fault}."]
    reason = "Your answer was not accepted:\n" + "\n".join(f"- {as_line(line)}" for line in wrong)
    said = as_data(completion.text[:_MOST_REPEATED_CHARACTERS]).strip()  # it may repeat what a summary smuggled in
    first = [message for message in request.messages if message.role == "system"]
    first += [message for message in request.messages if message.role == "user"][:1]
    messages = [*first, *([Message("assistant", said)] if said else [])]
    messages.append(Message("user", f"{reason}\nAnswer again with the whole JSON object, corrected."))
    return replace(request, messages=tuple(messages))

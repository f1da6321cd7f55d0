"""Conditions on differences between two runs, such as `macro_f1 < -0.02`, that a comparison may fail by."""

from __future__ import annotations

import operator
import re
from collections.abc import Mapping
from dataclasses import dataclass

from vidtomusictags.evaluation.inference import Difference

_OPERATORS = {"<": operator.lt, "<=": operator.le, ">": operator.gt, ">=": operator.ge}
_CONDITION = re.compile(
    r"\s*(?P<metric>\w+)\s*(?P<sign><=|>=|<|>)\s*(?P<bound>[+-]?(\d+\.?\d*|\.\d+))"
    r"(\s+and\s+p\s*(?P<below><=|<)\s*(?P<p>\d*\.?\d+))?\s*"
)


class ConditionInvalid(ValueError):
    """A condition cannot be understood; the message says what to write instead."""


@dataclass(frozen=True)
class Condition:
    """True of a difference of `metric` that is beyond `bound`, and with `p` only where its p-value is below that."""

    text: str
    metric: str
    sign: str
    bound: float
    p: float | None

    def holds(self, differences: Mapping[str, Difference]) -> bool:
        """Whether it does. A difference that is not defined holds: what cannot be measured must not pass."""
        found = differences[self.metric]
        if found.value != found.value:
            return True
        beyond = bool(_OPERATORS[self.sign](found.value, self.bound))
        return beyond and (self.p is None or found.p < self.p)


def parse_condition(text: str, metrics: Mapping[str, Difference]) -> Condition:
    """`METRIC < NUMBER`, perhaps with `and p < NUMBER`. Raises ConditionInvalid, with the metrics there are."""
    found = _CONDITION.fullmatch(text)
    if found is None:
        raise ConditionInvalid(
            f"{text!r} is no condition; write METRIC < NUMBER, such as 'macro_f1 < -0.02' or"
            " 'macro_f1 < 0 and p < 0.05'. The number is the difference of the second run from the first."
        )
    if found["metric"] not in metrics:
        raise ConditionInvalid(f"There is no metric {found['metric']!r}; there is: {', '.join(sorted(metrics))}.")
    p = float(found["p"]) if found["p"] else None
    return Condition(text.strip(), found["metric"], found["sign"], float(found["bound"]), p)

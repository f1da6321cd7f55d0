"""What answers are like apart from being right: stable, with true evidence, quick, and at what price."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations

import numpy as np

from vidtomusictags.evaluation.run_spec import RunSpec
from vidtomusictags.evaluation.running import Outcome
from vidtomusictags.evaluation.stage_results import Returned


@dataclass(frozen=True)
class Stability:
    """Whether answers about the same clip are the same. clips: how many were answered at least twice.

    jaccard: mean similarity of two answers' sets of tags. identical: share of clips whose sets are all equal.
    """

    clips: int
    jaccard: float
    identical: float


@dataclass(frozen=True)
class EvidenceFigures:
    """Of returned tags. with_evidence: share that quotes. verbatim: share of quotes that stand where they say."""

    returned: int
    with_evidence: float
    quotes: int
    verbatim: float


@dataclass(frozen=True)
class CostFigures:
    """Seconds and money a clip, as they were when the answers were made; from the store or a recording they are old.

    usd_per_clip: None where nothing tells a price.
    """

    p50_seconds: float
    p95_seconds: float
    caption_p50_seconds: float
    classify_p50_seconds: float
    prompt_tokens_per_clip: float
    completion_tokens_per_clip: float
    usd_per_clip: float | None


def stability(outcomes: Sequence[Outcome]) -> Stability | None:
    """Over repeated answers; None where nothing was repeated."""
    sets = [[_tags(answer.returned) for answer in outcome.answers] for outcome in outcomes if len(outcome.answers) > 1]
    return _stability(sets)


def agreement_of_runs(first: Sequence[Outcome], second: Sequence[Outcome]) -> Stability | None:
    """How alike two runs answer about the same clips: prompt stability, where they differ in the prompt alone."""
    sets = [
        [_tags(one.answers[0].returned), _tags(other.answers[0].returned)]
        for one, other in zip(first, second, strict=True)
        if one.answers and other.answers
    ]
    return _stability(sets)


def evidence_figures(outcomes: Sequence[Outcome]) -> EvidenceFigures:
    """Over every returned tag of every answer."""
    returned = quoting = quotes = verbatim = 0
    for outcome in outcomes:
        text = outcome.summary.text if outcome.summary else ""
        for tag in (tag for answer in outcome.answers for tag in answer.returned):
            returned += 1
            quoting += bool(tag.evidence)
            quotes += len(tag.evidence)
            verbatim += sum(bool(quote) and text[start:end] == quote for start, end, quote in tag.evidence)
    return EvidenceFigures(returned, _share(quoting, returned), quotes, _share(verbatim, quotes))


def cost_figures(outcomes: Sequence[Outcome], spec: RunSpec) -> CostFigures | None:
    """Over clips that were answered, the first answer of each; None where there are none."""
    there = [(outcome.summary, outcome.answers[0]) for outcome in outcomes if outcome.answers and outcome.summary]
    if not there:
        return None
    caption = np.array([summary.seconds for summary, _ in there])
    classify = np.array([answer.seconds for _, answer in there])
    prompt = np.array([summary.prompt_tokens + answer.prompt_tokens for summary, answer in there])
    completion = np.array([summary.completion_tokens + answer.completion_tokens for summary, answer in there])
    return CostFigures(
        p50_seconds=float(np.quantile(caption + classify, 0.5)),
        p95_seconds=float(np.quantile(caption + classify, 0.95)),
        caption_p50_seconds=float(np.quantile(caption, 0.5)),
        classify_p50_seconds=float(np.quantile(classify, 0.5)),
        prompt_tokens_per_clip=float(prompt.mean()),
        completion_tokens_per_clip=float(completion.mean()),
        usd_per_clip=_usd(outcomes, spec, float(caption.mean())),
    )


def _usd(outcomes: Sequence[Outcome], spec: RunSpec, caption_seconds: float) -> float | None:
    """What the classifier told, else the run's prices of its tokens; and the captioner's time at the run's price."""
    answers = [outcome.answers[0] for outcome in outcomes if outcome.answers]
    prices = (spec.usd_per_million_prompt_tokens, spec.usd_per_million_completion_tokens)
    told = [answer.usd for answer in answers if answer.usd is not None]
    if not told and not any(prices) and not spec.usd_per_captioner_hour:
        return None
    of_tokens = [
        answer.usd
        if answer.usd is not None
        else (answer.prompt_tokens * prices[0] + answer.completion_tokens * prices[1]) / 1e6
        for answer in answers
    ]
    return float(np.mean(of_tokens)) + caption_seconds * spec.usd_per_captioner_hour / 3600


def _stability(sets: Sequence[Sequence[frozenset[str]]]) -> Stability | None:
    if not sets:
        return None
    similar = [np.mean([_jaccard(a, b) for a, b in combinations(answers, 2)]) for answers in sets]
    identical = sum(len(set(answers)) == 1 for answers in sets)
    return Stability(len(sets), float(np.mean(similar)), identical / len(sets))


def _tags(returned: Sequence[Returned]) -> frozenset[str]:
    return frozenset(tag.id for tag in returned)


def _jaccard(one: frozenset[str], other: frozenset[str]) -> float:
    return len(one & other) / len(one | other) if one | other else 1.0


def _share(part: int, whole: int) -> float:
    return part / whole if whole else float("nan")

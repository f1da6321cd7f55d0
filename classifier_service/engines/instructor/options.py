"""All that this engine can be told, with the prototype's behaviour as the default."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, field
from pathlib import Path

from classifier_service.budget import Limits as BudgetLimits
from classifier_service.engines.instructor.endpoint import Endpoint, endpoint
from classifier_service.engines.instructor.pacing import Pace
from classifier_service.engines.instructor.shortlisting import SizeLimits


@dataclass(frozen=True)
class InstructorOptions:
    """endpoint: the model. temperature, seed: of a single opinion.

    reasks: how often a wrong answer is asked again. invalid_answers: `drop` or `refuse`, see `asking.Policy`.
    tries: of one request that fails for a passing reason, in all. attempt_seconds: longest that one request may take.
    samples: opinions that are asked for; several are asked at `sample_temperature` and combined.
    logprobs: weigh confidences by the probabilities of the tokens that name the tags, where there are any.
    capabilities: names of what the endpoint can do (`capabilities.Capability`); None: everything is tried.
    business_context: in place of the prompt's own. prices: a price list in place of the packaged one.
    breaker_failures: failures in a row after which requests stop for `breaker_seconds`; 0: never.
    log_texts: prompts and answers are logged, at debug level.
    """

    endpoint: Endpoint = field(default_factory=lambda: endpoint("openai/gpt-4o"))
    temperature: float = 0.0
    seed: int | None = 7
    reasks: int = 3
    invalid_answers: str = "drop"
    max_output_tokens: int = 2_000
    tries: int = 3
    attempt_seconds: float = 60.0
    samples: int = 1
    sample_temperature: float = 0.7
    logprobs: bool = False
    capabilities: Collection[str] | None = None
    prompt: str = "publisher"
    business_context: str = ""
    pace: Pace = field(default_factory=Pace)
    sizes: SizeLimits = field(default_factory=SizeLimits)
    budget: BudgetLimits = field(default_factory=BudgetLimits)
    prices: Path | None = None
    breaker_failures: int = 0
    breaker_seconds: float = 30.0
    log_texts: bool = False

"""Requests to one endpoint, held to its pace, the budget and the deadline; tried again where that can help."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, replace

from classifier_service.budget import Budget, Spent
from classifier_service.engines.engine import Usage
from classifier_service.engines.instructor.breaker import Breaker
from classifier_service.engines.instructor.capabilities import Capabilities
from classifier_service.engines.instructor.pacing import Pacer, backoff_seconds
from classifier_service.engines.instructor.provider import Provider, Request
from classifier_service.engines.instructor.replies import Completion
from classifier_service.engines.instructor.troubles import PASSING, Kind, Trouble, failure_for, read_trouble
from classifier_service.prices import Price, PriceList
from vidtomusictags.rpc.failures import DeadlineExceeded, Failure, WouldMissDeadline
from vidtomusictags.rpc.telemetry import SILENT, Telemetry
from vidtomusictags.rpc.upstream_meter import UpstreamMeter

_BYTES_PER_TOKEN = 3
"""Of a prompt, at least: English has 4 and more, JSON and other languages less. Estimates lie on the dear side."""
_BRIEF_TOKENS = 500
"""Of an answer, where the model's window leaves room for no more: enough for some tags with their evidence."""
_RESERVE_SECONDS = 0.1
"""Kept back from a request, so that its failure can still be told with what it cost."""
_LEAST_SECONDS = 0.05
"""Of a call: with less left, no request can be answered."""


class Tally:
    """What one question has cost so far. prices_of: date of the price list; empty where no price is known."""

    def __init__(self, prices_of: str = "") -> None:
        self._prices_of = prices_of
        self.attempts = 0
        self.prompt_tokens = 0
        self.cached_prompt_tokens = 0
        self.completion_tokens = 0
        self.spent = Spent()

    def details(self) -> dict[str, str]:
        """For failures: a caller who gets no answer must learn what it cost all the same."""
        counted = {
            "attempts": str(self.attempts),
            "prompt_tokens": str(self.prompt_tokens),
            "completion_tokens": str(self.completion_tokens),
        }
        return counted | ({"usd": f"{self.spent.usd:.8f}", "prices_of": self._prices_of} if self._prices_of else {})


@dataclass(frozen=True)
class Limits:
    """attempt_seconds: longest that one request may take, the slowest trickle of an answer included.

    tries: of one request that fails for a passing reason, in all.
    """

    attempt_seconds: float
    tries: int


class Upstream:
    """One endpoint. remaining_seconds: what is left of the present call. model: what is asked, as provider/model."""

    def __init__(
        self,
        provider: Provider,
        *,
        capabilities: Capabilities,
        pacer: Pacer,
        breaker: Breaker,
        budget: Budget,
        prices: PriceList,
        price: Price | None,
        limits: Limits,
        remaining_seconds: Callable[[], float],
        model: str = "",
        telemetry: Telemetry = SILENT,
    ) -> None:
        self._model = model
        self._meter = UpstreamMeter(model, telemetry)
        self._provider = provider
        self._capabilities = capabilities
        self._pacer = pacer
        self._breaker = breaker
        self._budget = budget
        self._prices = prices
        self._price = price
        self._limits = limits
        self._remaining_seconds = remaining_seconds

    async def complete(self, request: Request, tally: Tally) -> Completion:
        """What the model answered, readable or not. Raises the failure of the last try, with the attempts so far."""
        failed = 0
        while True:
            trouble = await self._try(request, tally)
            if isinstance(trouble, Completion):
                return trouble
            if self._capabilities.unlearn(trouble):
                continue  # the same again without what the endpoint does not know: bounded by the capabilities
            if trouble.kind is Kind.CONTEXT and request.max_tokens > _BRIEF_TOKENS and _counts_the_answer(trouble):
                request = replace(request, max_tokens=_BRIEF_TOKENS)
                continue
            failed += 1
            failure = failure_for(trouble, tally.details())
            if trouble.kind is Kind.RATE_LIMIT:
                self._pacer.pause(trouble.wait_seconds if trouble.wait_seconds is not None else backoff_seconds(failed))
            if trouble.kind not in PASSING or failed >= self._limits.tries:
                raise failure
            wait = backoff_seconds(failed) if trouble.wait_seconds is None else trouble.wait_seconds
            if wait + _LEAST_SECONDS > self._remaining_seconds():
                raise failure
            await asyncio.sleep(wait)

    async def close(self) -> None:
        """Closes the connections."""
        await self._provider.close()

    def tally(self) -> Tally:
        """For a new question."""
        return Tally(self._prices.as_of if self._price else "")

    def usage(self, tally: Tally) -> Usage:
        """The tally as it is told to callers."""
        return Usage(
            attempts=tally.attempts,
            prompt_tokens=tally.prompt_tokens,
            cached_prompt_tokens=tally.cached_prompt_tokens,
            completion_tokens=tally.completion_tokens,
            cost=None if self._price is None else self._prices.cost(tally.spent.usd),
        )

    async def _try(self, request: Request, tally: Tally) -> Completion | Trouble:
        prompt_tokens = sum(len(message.content.encode()) for message in request.messages) // _BYTES_PER_TOKEN + 1
        most_tokens = prompt_tokens + request.max_tokens
        most_usd = self._usd(prompt_tokens, 0, request.max_tokens)
        try:
            async with self._pacer.turn(most_tokens, within_seconds=self._remaining_seconds()):
                seconds = min(self._limits.attempt_seconds, self._remaining_seconds() - _RESERVE_SECONDS)
                if seconds < _LEAST_SECONDS:
                    raise WouldMissDeadline("The time left is too short to ask the language model; allow more.")
                with self._budget.promised(most_usd, most_tokens, tally.spent) as promise:
                    outcome = await self._request(request, seconds, tally)
                    if isinstance(outcome, Trouble):
                        if outcome.kind is not Kind.TIMEOUT:  # what it was working on is paid for
                            promise.settle(0.0, 0)
                    elif (tokens := outcome.tokens) is not None:
                        tally.prompt_tokens += tokens.prompt
                        tally.cached_prompt_tokens += tokens.cached
                        tally.completion_tokens += tokens.completion
                        usd = self._usd(tokens.prompt, tokens.cached, tokens.completion)
                        promise.settle(usd, tokens.prompt + tokens.completion)
                    return outcome
        except Failure as failure:
            failure.details = {**tally.details(), **failure.details}
            raise

    async def _request(self, request: Request, seconds: float, tally: Tally) -> Completion | Trouble:
        self._breaker.check()
        tally.attempts += 1
        provider, _, model = self._model.partition("/")
        asked = {"gen_ai.operation.name": "chat", "gen_ai.provider.name": provider, "gen_ai.request.model": model}
        with self._meter.attempt(f"chat {model}", asked) as attempt:
            outcome = await self._answered(replace(request, headers=attempt.headers), seconds, tally)
            if isinstance(outcome, Trouble):
                attempt.failed(failure_for(outcome, {}).reason)
            elif outcome.tokens is not None:
                attempt.set(
                    {
                        "gen_ai.usage.input_tokens": outcome.tokens.prompt,
                        "gen_ai.usage.output_tokens": outcome.tokens.completion,
                    }
                )
            return outcome

    async def _answered(self, request: Request, seconds: float, tally: Tally) -> Completion | Trouble:
        try:
            async with asyncio.timeout(seconds):
                completion = await self._provider.complete(request)
        except asyncio.CancelledError:
            self._breaker.abandoned()
            raise
        except Exception as error:
            trouble = read_trouble(error)
            if trouble is None:
                self._breaker.abandoned()
                raise
            tally.attempts -= not trouble.sent
            if trouble.kind in (Kind.UNAVAILABLE, Kind.TIMEOUT):
                self._breaker.failed()
            else:
                self._breaker.succeeded()
            if trouble.kind is Kind.TIMEOUT and seconds < self._limits.attempt_seconds:
                raise DeadlineExceeded(
                    "The language model did not answer within the time left; allow more time."
                ) from None
            return trouble
        self._breaker.succeeded()
        return completion

    def _usd(self, prompt_tokens: int, cached_tokens: int, completion_tokens: int) -> float:
        return self._price.usd(prompt_tokens, cached_tokens, completion_tokens) if self._price else 0.0


def _counts_the_answer(trouble: Trouble) -> bool:
    """Whether the room that was asked for the answer is what makes it too long, as vLLM and OpenAI say it."""
    return any(word in trouble.text for word in ("completion", "max_tokens", "output tokens"))

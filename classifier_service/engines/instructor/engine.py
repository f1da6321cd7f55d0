"""Answers a question by asking a language model: offers it tags, judges what it says, chooses what may be returned."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import replace

import structlog

from classifier_service.budget import Budget
from classifier_service.choosing import Choice, choose
from classifier_service.engines.engine import Answer, EngineCard, Question, Usage
from classifier_service.engines.instructor import metrics
from classifier_service.engines.instructor.answer_form import AnswerForms
from classifier_service.engines.instructor.asking import Asked, Asker, Policy
from classifier_service.engines.instructor.breaker import Breaker
from classifier_service.engines.instructor.capabilities import Capabilities, Capability
from classifier_service.engines.instructor.judging import DEFAULT_THRESHOLD, Judged
from classifier_service.engines.instructor.options import InstructorOptions
from classifier_service.engines.instructor.pacing import Pacer
from classifier_service.engines.instructor.prompting import PromptBuilder
from classifier_service.engines.instructor.provider import InstructorProvider, Provider, Request
from classifier_service.engines.instructor.returning import capped, demand_required, part_answer
from classifier_service.engines.instructor.second_opinion import combined, with_probabilities
from classifier_service.engines.instructor.shortlisting import Offering, Shortlister
from classifier_service.engines.instructor.upstream import Limits, Tally, Upstream
from classifier_service.prices import read_prices
from classifier_service.prompts import named_template
from classifier_service.taxonomy import Tag, Taxonomy
from vidtomusictags.rpc.telemetry import SILENT, Telemetry

log = structlog.get_logger()

MOST_PARTS = 20
"""Of a question that are answered together: with more of them, answers grow long and models lose count."""
PART_TOKENS = 200
"""Room that each of them adds to an answer."""


class InstructorEngine:
    """One model of one provider. Used on one event loop.

    budget: shared by all engines of a process. remaining_seconds: what is left of the present call.
    shortlister: for taxonomies too large for a prompt; None: they are refused.
    Raises ValueError for options that cannot be kept: no key, no such prompt, a budget in money without a price.
    """

    def __init__(
        self,
        options: InstructorOptions,
        *,
        budget: Budget,
        remaining_seconds: Callable[[], float],
        shortlister: Shortlister | None = None,
        provider: Provider | None = None,
        telemetry: Telemetry = SILENT,
    ) -> None:
        prices = read_prices(options.prices)
        price = prices.price(options.endpoint.name)
        if budget.limits.in_money and price is None:
            raise ValueError(
                f"the price of {options.endpoint.name} is not known, so no budget in dollars can be kept; name it in a"
                " price list of your own, or set the budget in tokens"
            )
        template = named_template(options.prompt)
        if options.business_context:
            template = template.with_context(options.business_context)
        self._options = options
        self._title = template.title
        self._prompts = PromptBuilder(template)
        self._forms = AnswerForms()
        self._offering = Offering(options.sizes, shortlister)
        self._asker = Asker(reasks=options.reasks, policy=Policy(options.invalid_answers), meter=telemetry.meter)
        self._capabilities = Capabilities(options.endpoint, options.capabilities)
        breaker = Breaker(options.breaker_failures, options.breaker_seconds)
        metrics.watch_breaker(telemetry.meter, options.endpoint.name, breaker)
        self._upstream = Upstream(
            provider
            or InstructorProvider(options.endpoint, self._capabilities, attempt_seconds=options.attempt_seconds),
            capabilities=self._capabilities,
            pacer=Pacer(options.pace),
            breaker=breaker,
            budget=budget,
            prices=prices,
            price=price,
            limits=Limits(options.attempt_seconds, options.tries),
            remaining_seconds=remaining_seconds,
            model=options.endpoint.name,
            telemetry=telemetry,
        )

    @property
    def card(self) -> EngineCard:
        """What answers. A provider's model has no revision but its name, which dated names such as -2024-08-06 fix."""
        endpoint = self._options.endpoint
        names = [name for name in self._capabilities.names if name != Capability.LOGPROBS or self._options.logprobs]
        return EngineCard(
            engine="instructor",
            model=endpoint.name,
            revision=f"temperature={self._options.temperature:g},samples={self._options.samples}",
            prompt=self._title,
            capabilities=tuple(names),
        )

    async def prepare(self, taxonomy: Taxonomy) -> None:
        """Lets the shortlister prepare for a taxonomy that is too large for a prompt."""
        await self._offering.prepare(taxonomy)

    async def classify(self, question: Question) -> Answer:
        """The tags that fit, with evidence.

        Raises RequiredFacetEmpty where a required facet has no such tag; ContentRefused, AnswerInvalid, BudgetExceeded,
        ContextLengthExceeded, the Upstream failures and DeadlineExceeded, each with the attempts in its details.
        """
        active = question.taxonomy.active
        if not any(character.isalnum() for character in question.summary):
            demand_required(Choice(()), question, active)
            return Answer((), (), "The summary holds no words, so the model was not asked.", Usage(attempts=0))
        offer = await self._offering.offer(question)
        parts = question.parts if len(question.parts) <= MOST_PARTS else ()
        facets = [facet.id for facet in question.taxonomy.facets]
        request = Request(
            messages=self._prompts.build(
                question.taxonomy,
                question.summary,
                offer.tags if offer.shortlist is not None else None,
                [part.summary for part in parts],
            ),
            form=self._forms.form(
                question.taxonomy.digest, [tag.id for tag in offer.tags], facets, segments=bool(parts)
            ),
            max_tokens=self._options.max_output_tokens + PART_TOKENS * len(parts),
            temperature=self._options.temperature,
            seed=self._options.seed,
            logprobs=self._options.logprobs,
        )
        if self._options.log_texts:
            log.debug("asked", messages=[message.content for message in request.messages])
        tally = self._upstream.tally()
        asked = await self._opinions(request, question, offer.tags, tally, parts)
        judged = combined([self._weighed(one) for one in asked])
        scored = [capped(tag, question) for tag in judged.tags]
        choice = choose(scored, question, DEFAULT_THRESHOLD)
        demand_required(choice, question, offer.tags)
        if self._options.log_texts:
            log.debug("was_told", answers=[one.completion.text for one in asked])
        return Answer(
            tags=choice.tags,
            key_information=judged.key_information,
            reasoning=judged.reasoning,
            usage=self._upstream.usage(tally),
            warnings=tuple(dict.fromkeys(warning for one in asked for warning in one.warnings)),
            without_suitable_tag=judged.without_suitable_tag,
            shortlist=offer.shortlist,
            made_by=self.card,  # now: a first request may have shown what the endpoint cannot do
            scores=choice.ranked,
            parts=[
                part_answer(combined([one.parts[place] for one in asked]), part, question, offer)
                for place, part in enumerate(parts)
            ],
        )

    async def close(self) -> None:
        """Closes the connections; calling it again does nothing."""
        await self._upstream.close()
        await self._offering.close()

    async def _opinions(
        self, request: Request, question: Question, offered: Sequence[Tag], tally: Tally, parts: Sequence[Question]
    ) -> list[Asked]:
        if self._options.samples == 1:
            return [await self._asker.ask(self._upstream, request, question, offered, tally, parts)]
        requests = [
            replace(request, temperature=self._options.sample_temperature, seed=_seed(request.seed, position))
            for position in range(self._options.samples)
        ]
        try:
            async with asyncio.TaskGroup() as group:
                tasks = [
                    group.create_task(self._asker.ask(self._upstream, one, question, offered, tally, parts))
                    for one in requests
                ]
        except ExceptionGroup as failed:  # one is told; the others ended with it
            raise failed.exceptions[0] from None
        return [task.result() for task in tasks]

    def _weighed(self, asked: Asked) -> Judged:
        if not asked.completion.logprobs:
            return asked.judged
        return with_probabilities(asked.judged, asked.completion.text, asked.completion.logprobs)


def _seed(seed: int | None, position: int) -> int | None:
    return None if seed is None else seed + position

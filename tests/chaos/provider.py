"""A language model that answers the same thing about the same summary, unless its provider is in trouble."""

from __future__ import annotations

import asyncio
import json
import re
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from fake_openai import Exchange, Step, completion, fails, fake_openai

_TAGS = ("happy", "sad", "angry", "fearful", "playful", "love", "nature", "action")


class Provider:
    """What answers now. asked: requests by what became of them."""

    def __init__(self) -> None:
        self.url = ""
        self.asked: Counter[str] = Counter()
        self.be_well()

    def be_well(self) -> None:
        """Answers at once."""
        self._step, self._name = answers, "answered"

    def be_slow(self, seconds: float) -> None:
        """Answers, after a while."""

        async def step(exchange: Exchange) -> None:
            await asyncio.sleep(seconds)
            await answers(exchange)

        self._step, self._name = step, "answered late"

    def limit_rates(self) -> None:
        """Sends everybody away."""
        self._be("rate limited", fails(429, "rate_limit_exceeded", headers={"Retry-After": "1"}))

    def be_down(self) -> None:
        """Breaks down over every request."""
        self._be("broken", fails(503))

    def _be(self, name: str, step: Step) -> None:
        self._step, self._name = step, name

    async def serve(self, exchange: Exchange) -> None:
        self.asked[self._name] += 1
        await self._step(exchange)


async def answers(exchange: Exchange) -> None:
    """One tag, which follows from how many frames the summary says there are."""
    asked = json.dumps(exchange.messages)
    count = re.findall(r"(\d+) frames that nobody looked at", asked)[-1]
    tag = {"tag": _TAGS[int(count) % len(_TAGS)], "confidence": 0.6 + int(count) / 100, "evidence": [f"{count} frames"]}
    answer = {"key_information": [], "reasoning": f"There are {count}.", "tags": [tag], "no_suitable_tag": []}
    await exchange.send(200, completion(json.dumps(answer)))


@asynccontextmanager
async def serving_model() -> AsyncIterator[Provider]:
    """The model on loopback for the length of the block."""
    provider = Provider()
    async with fake_openai(provider.serve) as fake:
        provider.url = fake.url
        yield provider

"""Describes clips by asking endpoints: streams, tries again elsewhere while nothing was told, keeps to the deadline."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

import openai
import structlog

from captioner_service.clip import Clip
from captioner_service.describer import Condition, Described, Occupancy
from captioner_service.engines.engine import ModelCard
from captioner_service.engines.openai import troubles
from captioner_service.engines.openai.asking import Answer, ask, list_models
from captioner_service.engines.openai.endpoints import Endpoint, Endpoints
from captioner_service.engines.openai.pictures import message_of
from captioner_service.engines.openai.troubles import Trouble
from captioner_service.line import Line
from vidtomusictags.rpc import failures
from vidtomusictags.rpc.admission import with_jitter
from vidtomusictags.rpc.telemetry import SILENT, Telemetry
from vidtomusictags.rpc.tracing import Attributes

log = structlog.get_logger()

PROBE_SECONDS = 2.0
"""Between two looks at endpoints of which none can be reached."""


@dataclass(frozen=True)
class OpenAIOptions:
    """Which model, where, and what it wants to be fed. model: empty for endpoints that serve just one."""

    base_urls: Sequence[str]
    model: str
    api_key: str
    max_concurrent: int
    attempts: int
    max_queued: int
    max_frames: int
    default_frames: int
    max_new_tokens: int
    frame_short_side_pixels: int
    load_seconds: float


class OpenAIDescriber:
    """A `Describer` over HTTP. Raises ValueError without a base URL."""

    def __init__(self, options: OpenAIOptions, telemetry: Telemetry = SILENT) -> None:
        if not options.base_urls:
            raise ValueError('CAPTIONER_OPENAI_BASE_URLS names no endpoint; set it to ["http://host:8000/v1"]')
        self._options = options
        self._telemetry = telemetry
        self._card: ModelCard | None = None
        self._conditions: asyncio.Queue[Condition] = asyncio.Queue()
        self._doubted = asyncio.Event()
        self._line = Line(options.max_queued)
        self._held = 0

    @asynccontextmanager
    async def alive(self) -> AsyncIterator[None]:
        """See `Describer`."""
        options = self._options
        self._endpoints = Endpoints(
            [
                Endpoint(
                    url,
                    # Attempts are ours: they go to other endpoints, and stop once text was told.
                    openai.AsyncOpenAI(base_url=url, api_key=options.api_key or "none", max_retries=0),
                    self._telemetry,
                )
                for url in options.base_urls
            ],
            at_most=options.max_concurrent,
        )
        watching = asyncio.create_task(self._watch())
        try:
            yield
        finally:
            watching.cancel()
            await asyncio.gather(watching, return_exceptions=True)
            await self._endpoints.close()

    @property
    def card(self) -> ModelCard:
        """See `Describer`."""
        if self._card is None:
            raise RuntimeError("the engine is not loaded")
        return self._card

    async def load(self) -> ModelCard:
        """See `Describer`. Waits until an endpoint answers; a model server takes minutes to start."""
        try:
            async with asyncio.timeout(self._options.load_seconds):
                while not (served := await self._served_models()):  # noqa: ASYNC110  # a host's start tells nobody
                    await asyncio.sleep(PROBE_SECONDS)
        except TimeoutError:
            raise ValueError(
                f"no endpoint of CAPTIONER_OPENAI_BASE_URLS answered within {self._options.load_seconds:.0f} s"
            ) from None
        model = self._options.model or (served[0] if len(served) == 1 else "")
        if not model:
            raise ValueError(f"the endpoints serve {len(served)} models; name one in CAPTIONER_MODEL")
        self._card = self._make_card(model)
        return self._card

    @property
    def occupancy(self) -> Occupancy:
        """See `Describer`. Its slots are the requests that its endpoints may have at once."""
        slots = self._options.max_concurrent * len(self._options.base_urls)
        used = min(self._held, slots)
        return Occupancy(self._held - used, used, slots)

    async def conditions(self) -> AsyncIterator[Condition]:
        """See `Describer`."""
        while True:
            yield await self._conditions.get()

    def check(self, *, within_seconds: float) -> None:
        """See `Describer`."""
        slots = self._endpoints.capacity
        waiting = max(0, self._held - slots)
        self._line.check(waiting=waiting, held=self._held, slots=slots, within_seconds=within_seconds)

    async def submit(
        self, clip: Clip, *, within_seconds: float, on_text: Callable[[str], None] | None = None
    ) -> Described:
        """See `Describer`."""
        self.check(within_seconds=within_seconds)
        self._held += 1
        since = time.monotonic()
        try:
            async with asyncio.timeout(within_seconds if within_seconds < float("inf") else None):
                message = await asyncio.to_thread(message_of, clip)
                return await self._attempt_all(clip, message, since, on_text)
        except TimeoutError:
            raise failures.DeadlineExceeded(
                "The text was not finished in time; allow more time or ask for fewer tokens."
            ) from None
        finally:
            self._held -= 1

    async def _attempt_all(
        self, clip: Clip, message: dict[str, Any], since: float, on_text: Callable[[str], None] | None
    ) -> Described:
        tried: list[Endpoint] = []
        while True:
            told = False

            def tell(piece: str) -> None:
                nonlocal told
                told = True
                if on_text:
                    on_text(piece)

            async with self._endpoints.borrowed(tried=tried) as endpoint:
                started = time.monotonic()
                outcome = await self._ask(endpoint, clip, message, tell)
                if isinstance(outcome, Answer):
                    ended = time.monotonic()
                    self._line.learn(ended - started)
                    return Described(
                        outcome.caption,
                        queue_seconds=started - since,
                        generate_seconds=ended - started,
                        batch_size=max(1, endpoint.running),
                        prefill_seconds=outcome.first_at - started,
                        decode_seconds=ended - outcome.first_at,
                    )
            trouble = outcome
            log.warning("endpoint failed", endpoint=endpoint.host, reason=trouble.failure.reason)
            tried.append(endpoint)
            if trouble.wait_seconds is None:
                raise trouble.failure
            endpoint.rest(trouble.wait_seconds)
            self._doubt()
            if len(tried) >= self._options.attempts or (told and on_text):
                raise trouble.failure
            if all(one.rests for one in self._endpoints.all):
                await asyncio.sleep(with_jitter(trouble.wait_seconds))

    async def _ask(
        self, endpoint: Endpoint, clip: Clip, message: dict[str, Any], tell: Callable[[str], None]
    ) -> Answer | Trouble:
        model = self.card.model
        with endpoint.meter.attempt(f"chat {model}", _about(model, endpoint)) as attempt:
            try:
                return await ask(endpoint, model, clip, message, tell, attempt.headers)
            except openai.APIError as error:
                trouble = troubles.read(error)
                attempt.failed(trouble.failure.reason)
                return trouble

    async def _served_models(self) -> list[str]:
        """Names that the endpoints list, of those that answer. Raises ValueError where one refuses the key."""
        lists = await asyncio.gather(
            *(list_models(endpoint, otherwise=self._options.model) for endpoint in self._endpoints.all)
        )
        return sorted({name for names in lists for name in names})

    def _doubt(self) -> None:
        if all(endpoint.rests for endpoint in self._endpoints.all):
            self._doubted.set()

    async def _watch(self) -> None:
        """While no endpoint answers, this server is not ready either."""
        while True:
            await self._doubted.wait()
            self._doubted.clear()
            if await self._answers():
                continue
            self._conditions.put_nowait(Condition.RESTARTING)
            while not await self._answers():  # noqa: ASYNC110  # nor does its return
                await asyncio.sleep(PROBE_SECONDS)
            self._conditions.put_nowait(Condition.READY)

    async def _answers(self) -> bool:
        try:
            return bool(await self._served_models())
        except ValueError:
            return False

    def _make_card(self, model: str) -> ModelCard:
        options = self._options
        return ModelCard(
            engine="openai",
            model=model,
            revision="",
            quantisation="",
            frame_short_side_pixels=options.frame_short_side_pixels,
            default_frames=min(options.default_frames, options.max_frames),
            max_frames=options.max_frames,
            max_new_tokens=options.max_new_tokens,
            max_batch_clips=self._endpoints.capacity,
            description=(
                f"A vision-language model behind {len(options.base_urls)} endpoint(s), given frames as pictures. It "
                "describes what it sees in its own words and can be wrong."
            ),
        )


def _about(model: str, endpoint: Endpoint) -> Attributes:
    """What the span of a request says of it, by OpenTelemetry's conventions."""
    return {
        "gen_ai.operation.name": "chat",
        "gen_ai.provider.name": "openai",
        "gen_ai.request.model": model,
        "server.address": endpoint.host,
    }

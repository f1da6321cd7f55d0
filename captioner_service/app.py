"""The captioner as a whole: put together, started, and taken down in reverse."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import partial

import structlog

from captioner_service import metrics
from captioner_service.captioner import Captioner
from captioner_service.decoding import Decoding, decoding_threads
from captioner_service.describer import Condition, Describer
from captioner_service.describers import open_describer
from captioner_service.prompts import PromptStock, packaged_templates
from captioner_service.servicer import PERMISSIONS, SERVICE, CaptionerServicer
from captioner_service.settings import CaptionerSettings
from vidtomusictags.captioner.v1.captioner_pb2_grpc import add_CaptionerServiceServicer_to_server
from vidtomusictags.rpc.deadlines import remaining_seconds
from vidtomusictags.rpc.observing import observing
from vidtomusictags.rpc.server import Host, Service, listening
from vidtomusictags.rpc.telemetry import Telemetry

log = structlog.get_logger()


@asynccontextmanager
async def running(settings: CaptionerSettings, describer: Describer | None = None) -> AsyncIterator[int]:
    """The whole captioner for the length of the block; yields the bound port once the model is loaded.

    Health is NOT_SERVING and calls are refused with MODEL_LOADING until then, and again whenever the model has to be
    started anew. describer: instead of the one that the settings name. Raises ValueError for an unknown engine or
    prompt, OSError for an address that cannot be had, and whatever stops the engine from loading.
    """
    async with (
        observing(settings, "captioner", metrics.METRICS) as telemetry,
        _running(settings, describer or open_describer(settings, telemetry), telemetry) as port,
    ):
        yield port


@asynccontextmanager
async def _running(settings: CaptionerSettings, describer: Describer, telemetry: Telemetry) -> AsyncIterator[int]:
    with decoding_threads(max_queued=settings.max_queued_clips) as decoding:
        async with _serving(settings, describer, decoding, telemetry) as port:
            yield port


@asynccontextmanager
async def _serving(
    settings: CaptionerSettings, describer: Describer, decoding: Decoding, telemetry: Telemetry
) -> AsyncIterator[int]:
    prompts = PromptStock(packaged_templates(), default=settings.default_prompt)
    captioner = Captioner(describer, decoding, remaining_seconds=remaining_seconds, telemetry=telemetry)
    servicer = CaptionerServicer(captioner, prompts, settings)
    service = Service(
        SERVICE,
        partial(add_CaptionerServiceServicer_to_server, servicer),
        uncounted=["GetModel"],
        permissions=PERMISSIONS,
        check_room=captioner.check_room,
    )
    state = metrics.ModelState(telemetry.meter)
    metrics.watch(telemetry.meter, describer)
    async with describer.alive(), listening(settings, service, telemetry) as host:
        log.info("loading", engine=settings.engine)
        began = time.monotonic()
        card = await describer.load()
        state.loaded(card, time.monotonic() - began)
        await host.announce_ready()
        log.info("ready", engine=card.engine, model=card.model, revision=card.revision)
        following = asyncio.create_task(_follow(describer, host, state))
        try:
            yield host.port
        finally:
            following.cancel()
            await asyncio.gather(following, return_exceptions=True)


async def _follow(describer: Describer, host: Host, state: metrics.ModelState) -> None:
    """Lets health tell the truth about the model for as long as the service runs."""
    async for condition in describer.conditions():
        log.info("condition changed", condition=condition.value)
        state.changed(condition)
        if condition is Condition.READY:
            await host.announce_ready()
        elif condition is Condition.RESTARTING:
            await host.announce_not_ready()
        else:
            await host.announce_dead()

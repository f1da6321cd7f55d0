"""The captioner as a whole: put together, started, and taken down in reverse."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import partial

import structlog

from captioner_service.batcher import Batcher
from captioner_service.captioner import Captioner
from captioner_service.engines import open_engine
from captioner_service.prompts import PromptStock, packaged_templates
from captioner_service.servicer import SERVICE, CaptionerServicer
from captioner_service.settings import CaptionerSettings
from vidtomusictags.captioner.v1.captioner_pb2_grpc import add_CaptionerServiceServicer_to_server
from vidtomusictags.rpc.deadlines import remaining_seconds
from vidtomusictags.rpc.server import Service, listening

log = structlog.get_logger()


@asynccontextmanager
async def running(settings: CaptionerSettings) -> AsyncIterator[int]:
    """The whole captioner for the length of the block; yields the bound port once the model is loaded.

    Health is NOT_SERVING and calls are refused with MODEL_LOADING until then. Raises ValueError for an unknown engine
    or prompt, OSError for an address that cannot be had, and whatever stops the engine from loading.
    """
    prompts = PromptStock(packaged_templates(), default=settings.default_prompt)
    batcher = Batcher(
        partial(open_engine, settings.engine),
        max_queued=settings.max_queued_clips,
        max_wait_seconds=settings.max_batch_wait_seconds,
    )
    captioner = Captioner(batcher, remaining_seconds=remaining_seconds)
    servicer = CaptionerServicer(captioner, prompts, settings)
    service = Service(SERVICE, partial(add_CaptionerServiceServicer_to_server, servicer), uncounted=["GetModel"])
    async with batcher.alive(), listening(settings, service) as host:
        log.info("loading", engine=settings.engine)
        card = await batcher.load()
        await host.announce_ready()
        log.info("ready", engine=card.engine, model=card.model, revision=card.revision)
        yield host.port

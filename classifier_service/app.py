"""The classifier as a whole: put together, started, and taken down in reverse."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from functools import partial

import structlog

from classifier_service import metrics
from classifier_service.classifier import Classifier
from classifier_service.engines import open_engine
from classifier_service.engines.engine import ClassificationEngine
from classifier_service.engines.options import EngineOptions
from classifier_service.servicer import PERMISSIONS, SERVICE, ClassifierServicer
from classifier_service.settings import ClassifierSettings
from classifier_service.taxonomy import Taxonomy
from classifier_service.taxonomy_store import TaxonomyStore
from vidtomusictags.classifier.v1.classifier_pb2_grpc import add_ClassifierServiceServicer_to_server
from vidtomusictags.rpc.deadlines import remaining_seconds
from vidtomusictags.rpc.observing import observing
from vidtomusictags.rpc.server import Service, listening
from vidtomusictags.rpc.work_metrics import MODEL

log = structlog.get_logger()

PREPARING_SECONDS = 60.0
"""Longest that readiness waits for a large taxonomy: half of what the startup probes of `deploy/kubernetes` allow."""


@asynccontextmanager
async def running(settings: ClassifierSettings) -> AsyncIterator[int]:
    """The whole classifier for the length of the block; yields the bound port once calls are taken.

    Health is NOT_SERVING and calls are refused with MODEL_LOADING until questions about the default taxonomy can be
    answered at once.

    Raises ValueError for an unknown engine or options it cannot keep, TaxonomyInvalid or UnknownTaxonomy for taxonomies
    that cannot be served, OSError for an address that cannot be had, and whatever stops the engine from loading.
    """
    store = TaxonomyStore.load(settings.taxonomy_directories)
    default = store.find(settings.default_taxonomy)
    name = settings.chosen_engine
    log.info("loading", engine=name, engine_setting=settings.engine, taxonomies=len(store.all))
    async with observing(settings, "classifier", metrics.METRICS) as telemetry, AsyncExitStack() as stack:
        options = settings.engine_options(remaining_seconds, telemetry)
        engine = await stack.enter_async_context(_open(name, options))
        servicer = ClassifierServicer(
            Classifier(engine, options.calibrations, telemetry.tracer), store, default=default
        )
        service = Service(
            SERVICE,
            partial(add_ClassifierServiceServicer_to_server, servicer),
            uncounted=["ListTaxonomies", "GetTaxonomy"],
            permissions=PERMISSIONS,
            counted=metrics.COUNTED,
        )
        async with listening(settings, service, telemetry) as host, _prepared(engine, default):
            await host.announce_ready()
            card = engine.card
            telemetry.meter.add(MODEL, card.engine, card.model, card.revision)
            for calibration in options.calibrations.all:
                log.info("calibration", calibration=calibration.id, revision=calibration.key.revision)
            log.info("ready", engine=card.engine, model=card.model, revision=card.revision, prompt=card.prompt)
            yield host.port


@asynccontextmanager
async def _open(name: str, options: EngineOptions) -> AsyncIterator[ClassificationEngine]:
    engine = await asyncio.to_thread(open_engine, name, options)
    try:
        yield engine
    finally:
        await engine.close()


@asynccontextmanager
async def _prepared(engine: ClassificationEngine, taxonomy: Taxonomy) -> AsyncIterator[None]:
    """The block begins once the engine knows the taxonomy, or after PREPARING_SECONDS while it still learns it."""
    began = time.monotonic()
    preparing = asyncio.create_task(engine.prepare(taxonomy))
    try:
        await asyncio.wait({preparing}, timeout=PREPARING_SECONDS)
        if preparing.done():
            preparing.result()
        log.info("prepared" if preparing.done() else "still preparing", taxonomy=taxonomy.id, seconds=_since(began))
        yield
    finally:
        preparing.cancel()
        await asyncio.gather(preparing, return_exceptions=True)


def _since(began: float) -> float:
    return round(time.monotonic() - began, 3)

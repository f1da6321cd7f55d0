"""The gateway as a whole: put together, started, and taken down in reverse."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import partial
from typing import Protocol, TypeVar

import structlog

from gateway import metrics
from gateway.clients import CaptionerClient, ClassifierClient, Upstream
from gateway.servicer import PERMISSIONS, SERVICE, TaggingServicer
from gateway.settings import GatewaySettings
from gateway.sources.fetches import Fetches
from gateway.sources.sources import running_sources
from gateway.spool import open_spool
from gateway.tagger import Tagger
from gateway.video.limits import SandboxLimits
from gateway.video.sandbox import running_sandbox
from vidtomusictags.gateway.v1.gateway_pb2_grpc import add_TaggingServiceServicer_to_server
from vidtomusictags.rpc.authentication import naming_the_caller
from vidtomusictags.rpc.caller_limits import count_bytes
from vidtomusictags.rpc.deadlines import remaining_seconds
from vidtomusictags.rpc.file_metrics import CERTIFICATE_ENDS, UPSTREAM, counting_reloads
from vidtomusictags.rpc.metrics import Meter
from vidtomusictags.rpc.observing import observing
from vidtomusictags.rpc.proof import Proof
from vidtomusictags.rpc.server import Service, listening
from vidtomusictags.rpc.telemetry import Telemetry

log = structlog.get_logger()


@asynccontextmanager
async def running(settings: GatewaySettings) -> AsyncIterator[int]:
    """The whole gateway for the length of the block; yields the bound port once calls are taken.

    The captioner and the classifier need not be there yet: calls say UNAVAILABLE until they are. Raises OSError for an
    address or a spool directory that cannot be had, and ValueError for plaintext where it must not be.
    """
    async with observing(settings, "gateway", metrics.METRICS) as telemetry, _running(settings, telemetry) as port:
        yield port


@asynccontextmanager
async def _running(settings: GatewaySettings, telemetry: Telemetry) -> AsyncIterator[int]:
    captioners, classifiers = _upstreams(settings, _proof(settings, telemetry.meter), telemetry)
    limits = SandboxLimits(
        workers=settings.decode_workers,
        cores=settings.decode_cores or SandboxLimits().cores,
        wall_seconds=settings.decode_seconds,
        max_file_bytes=max(settings.max_upload_bytes, settings.max_remote_bytes, SandboxLimits().max_file_bytes),
    )
    with open_spool(
        settings.spool_directory,
        max_upload_bytes=settings.max_upload_bytes,
        max_total_bytes=settings.max_spool_bytes,
        meter=telemetry.meter,
    ) as spool:
        async with (
            running_sources(settings.source_rules, spool, Fetches(telemetry.meter, count_bytes)) as sources,
            running_sandbox(limits, meter=telemetry.meter) as sandbox,
            closing(CaptionerClient(captioners)) as captioner,
            closing(ClassifierClient(classifiers)) as classifier,
        ):
            tagger = Tagger(
                sandbox,
                captioner,
                classifier,
                decode_seconds=settings.decode_seconds,
                remaining_seconds=remaining_seconds,
                tracer=telemetry.tracer,
            )
            servicer = TaggingServicer(tagger, spool, sources, settings)
            service = Service(
                SERVICE,
                partial(add_TaggingServiceServicer_to_server, servicer),
                permissions=PERMISSIONS,
                check_room=tagger.check_room,
            )
            metrics.watch(telemetry.meter, sandbox, spool)
            async with listening(settings, service, telemetry) as host:
                await host.announce_ready()
                log.info("ready", captioner=settings.captioner, classifier=settings.classifier)
                yield host.port


def _upstreams(settings: GatewaySettings, proof: Proof, telemetry: Telemetry) -> tuple[Upstream, Upstream]:
    """The captioners, and the classifiers."""
    upstream = partial(
        Upstream,
        answer_seconds=settings.answer_seconds,
        keepalive_seconds=settings.keepalive_seconds,
        attempts=settings.upstream_attempts,
        telemetry=telemetry,
        proof=proof,
    )
    return (
        upstream(settings.captioner, settings.caption_seconds),
        upstream(settings.classifier, settings.classify_seconds),
    )


def _proof(settings: GatewaySettings, meter: Meter) -> Proof:
    """What captioners and classifiers are shown. Raises ValueError where calls to them would travel in plaintext."""
    credentials = settings.upstream_credentials
    credentials.refuse_plaintext(settings.captioner)
    credentials.refuse_plaintext(settings.classifier)
    what = "upstream credentials"
    proof = Proof(
        credentials,
        on_fault=lambda fault: log.warning("old file kept", what=what, fault=fault),
        on_reading=counting_reloads(meter, what),
        more=naming_the_caller,
    )
    if credentials.certificate is not None:
        meter.watch(CERTIFICATE_ENDS, proof.certificate_ends_at, UPSTREAM)
    return proof


class _Closable(Protocol):
    async def close(self) -> None: ...


ClosableT = TypeVar("ClosableT", bound=_Closable)


@asynccontextmanager
async def closing(thing: ClosableT) -> AsyncIterator[ClosableT]:
    """The thing for the length of the block, closed at its end."""
    try:
        yield thing
    finally:
        await thing.close()

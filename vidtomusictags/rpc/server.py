"""Hosting: a gRPC server with health, reflection, layers and an orderly end, for the length of a block."""

from __future__ import annotations

import asyncio
import signal
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass, field

import grpc
import structlog
from google.protobuf.descriptor import ServiceDescriptor
from grpc_health.v1 import health_pb2_grpc
from grpc_reflection.v1alpha import reflection

from vidtomusictags.rpc.admission import Admission, there_is_room
from vidtomusictags.rpc.authentication import authentication
from vidtomusictags.rpc.call_metrics import CallMeter
from vidtomusictags.rpc.caller_limits import CallerLimits
from vidtomusictags.rpc.deadlines import within_deadline
from vidtomusictags.rpc.doors import open_door
from vidtomusictags.rpc.health import SERVICE_NAME as HEALTH
from vidtomusictags.rpc.health import Health
from vidtomusictags.rpc.layers import Layers, answering
from vidtomusictags.rpc.metrics import Counter
from vidtomusictags.rpc.probes import answering_probes
from vidtomusictags.rpc.refusals import Refusals
from vidtomusictags.rpc.settings import HostSettings
from vidtomusictags.rpc.telemetry import SILENT, Telemetry

log = structlog.get_logger()

MAX_MESSAGE_BYTES = 4 * 1024 * 1024
_MAX_STREAMS = 1024
OPTIONS = (
    # Of a connection; a backstop: `Admission` answers before, with words.
    ("grpc.max_concurrent_streams", _MAX_STREAMS),
    # Backstops too. Of calls that arrived and were not looked at yet, gRPC lets in as many as a burst may have, refuses
    # more at random up to the hard limit, and all beyond, health included: CANCELLED and no word of when to come back.
    # Without them a flood would grow old unseen, and everybody be answered late.
    ("grpc.server.max_pending_requests", _MAX_STREAMS // 2),
    ("grpc.server.max_pending_requests_hard_limit", _MAX_STREAMS),
    ("grpc.max_receive_message_length", MAX_MESSAGE_BYTES),
    ("grpc.max_send_message_length", MAX_MESSAGE_BYTES),
    ("grpc.http2.min_ping_interval_without_data_ms", 1_000),  # gateways ask often whether this still lives
    # What a stream may send that nobody has read yet: 512 KiB, 10 MB/s at 50 ms. By itself gRPC measures how much is
    # under way and widens the window to that; from a hundred uploads faster than the disk it took in 30 MiB each.
    ("grpc.http2.bdp_probe", 0),
    ("grpc.http2.lookahead_bytes", 512 * 1024),
    ("grpc.keepalive_time_ms", 60_000),  # finds clients that are gone
    ("grpc.keepalive_timeout_ms", 20_000),
    ("grpc.http2.ping_timeout_ms", 20_000),  # gRPC 1.85 waits a minute otherwise, whatever keepalive_timeout says
    ("grpc.server_handshake_timeout_ms", 10_000),  # for the whole of TLS; gRPC alone lets a silent peer stay 2 minutes
    ("grpc.so_reuseport", 0),
)
LIVENESS, READINESS = "liveness", "readiness"

_LAST_WORDS_SECONDS = 0.5
"""For the statuses of calls that have just ended to leave the server."""


@dataclass(frozen=True)
class Service:
    """A servicer and how it is added to a server."""

    descriptor: ServiceDescriptor
    add_to: Callable[[grpc.aio.Server], None]
    uncounted: Sequence[str] = ()
    """Names of methods that cost nothing and take no slot."""
    permissions: Mapping[str, str] = field(default_factory=dict)
    """What a caller must be allowed to call each method, where callers are known; one that is missing is for nobody."""
    counted: Mapping[str, Counter] = field(default_factory=dict)
    """Facts of the log line that metrics add up, by engine."""
    check_room: Callable[[], None] = there_is_room
    """Raises the failure of a call that would find no room in the service's queues; asked before anything is read."""


@dataclass(frozen=True)
class Host:
    """A server that listens. It takes calls in once it is told that all is loaded."""

    port: int
    health_port: int
    """0 without a port for probes."""
    _admission: Admission
    _health: Health
    _names: Sequence[str]

    async def announce_ready(self) -> None:
        """From now on calls come in, and health says so."""
        self._admission.open()
        self._health.set(self._names, serving=True)

    async def announce_not_ready(self) -> None:
        """Until `announce_ready`, new calls are asked to come back later; health says so, and that this still lives."""
        self._admission.close()
        self._health.set(self._names, serving=False)

    async def announce_dead(self) -> None:
        """What this server needs will not come back: health asks for the process to be started anew."""
        await self.announce_not_ready()
        self._health.set(("", LIVENESS), serving=False)


@asynccontextmanager
async def listening(settings: HostSettings, service: Service, telemetry: Telemetry = SILENT) -> AsyncIterator[Host]:
    """A server on `settings.listen` for the length of the block; at its end it drains in three phases.

    First health says NOT_SERVING while calls still come in, then late ones are refused while running ones finish, then
    what is left is cut. The server listens until the last of these, since a closed port could not tell late callers
    that another attempt is worth while. telemetry: who hears of its calls.
    Raises OSError when an address cannot be had, or may not be without TLS.
    """
    full_name = service.descriptor.full_name
    uncounted = [f"/{full_name}/{method}" for method in service.uncounted]
    admission = Admission(max_calls=settings.max_calls, uncounted=uncounted, check_room=service.check_room)
    permissions = {f"/{full_name}/{method}": permission for method, permission in service.permissions.items()}
    auth = authentication(settings, permissions, telemetry.meter)
    limits = CallerLimits(
        max_calls=settings.caller_max_calls,
        bytes_a_minute=settings.caller_bytes_a_minute,
        requests_a_minute=settings.caller_requests_a_minute,
        uncounted=uncounted,
    )
    calls = CallMeter(telemetry.meter, service.descriptor, service.counted)
    calls.watch(max_calls=settings.max_calls, ready=lambda: admission.ready)
    answer, deadline = answering(full_name, calls, telemetry.tracer), within_deadline(settings.max_call_seconds)
    streaming = [f"/{full_name}/{method.name}" for method in service.descriptor.methods if method.client_streaming]
    refusals = Refusals([limits.layer, admission.layer], streaming=streaming)
    layers = Layers(
        [answer, deadline, auth.layer, refusals.layer],
        reflecting=[answer, deadline, auth.layer],
        arriving=limits.arrived if settings.caller_bytes_a_minute else None,
        replying=limits.answered if settings.caller_requests_a_minute else None,
        passing=calls.passed if settings.metrics_listen else None,
    )
    server = grpc.aio.server(interceptors=[layers], options=(*OPTIONS, _age(settings)))
    health = Health()
    health.set(("", LIVENESS), serving=True)
    health.set((READINESS, full_name), serving=False)
    health_pb2_grpc.add_HealthServicer_to_server(health, server)
    service.add_to(server)
    if settings.reflection:
        reflection.enable_server_reflection((full_name, HEALTH, reflection.SERVICE_NAME), server)
    port = open_door(server, settings, telemetry.meter)
    async with answering_probes(settings.health_listen, health) as health_port:
        host = Host(port, health_port, admission, health, (READINESS, full_name))
        await server.start()
        tls = settings.tls_certificate is not None
        log.info("listening", address=settings.listen, port=port, tls=tls, auth=auth.asks, service_name=full_name)
        try:
            yield host
            health.leave()
            await asyncio.sleep(settings.drain_announce_seconds)  # routers need this long to hear of it
        finally:
            health.leave()
            admission.drain()
            log.info("draining", calls=admission.running)
            await admission.emptied(within_seconds=settings.drain_grace_seconds)
            health.close()
            await server.stop(_LAST_WORDS_SECONDS)
            log.info("stopped")


async def serve_until_signal(running: AbstractAsyncContextManager[int]) -> None:
    """Enters the block, leaves it at SIGTERM or SIGINT; a second signal ends the process at once."""
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    signals = (signal.SIGTERM, signal.SIGINT)

    def on_signal() -> None:
        stop.set()
        for number in signals:
            loop.remove_signal_handler(number)

    for number in signals:
        loop.add_signal_handler(number, on_signal)
    async with running:
        await stop.wait()


def _age(settings: HostSettings) -> tuple[str, int]:
    """Clients look for new replicas only when a connection ends. No grace: it would kill running streams."""
    return ("grpc.max_connection_age_ms", round(settings.max_connection_age_seconds * 1000))
